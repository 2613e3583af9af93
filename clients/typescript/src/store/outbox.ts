/** Messages of a room that are being sent. */

import type { Boxroom } from '../client.js';
import { Problem } from '../rest/problem.js';
import { SignedOut } from '../session.js';
import { uuidv7 } from '../uuid.js';
import type { Change, Database, Draft } from './database.js';

/** The age of a draft up to which the service surely remembers its key, in milliseconds: less than 24 hours. */
const KEY_LIFETIME_MS = 23 * 60 * 60 * 1000;

/** The time in which a draft is repeated before it counts as failed, in milliseconds. */
const SEND_MS = 60_000;

/** The number of events of a page in which a message is looked for. */
const LOOKUP_PAGE = 200;

/** The room of an outbox. */
export interface OutboxRoom {
  /** The id of the room. */
  readonly roomId: string;
  /** Called after each change of the drafts. */
  onChange(): void;
  /** Returns the version of the last event that is known. */
  lastV(): number;
  /** Returns the version up to which events do not arrive: they were skipped, or read as messages. */
  skippedV(): number;
}

/** The options of an outbox. */
export interface OutboxOptions {
  /** True if each message moves the read marker of the user to itself. Default: false. */
  readMarker?: boolean;
}

/**
 * Messages that are being sent, one after another. They survive a reload if the database does: a draft that cannot be
 * stored is sent all the same.
 */
export class Outbox {
  private readonly entries = new Map<string, Draft>();
  private begin!: () => void;
  /** Ends with the draft that is being sent. The first one waits for `resume`. */
  private sending = new Promise<void>((resolve) => (this.begin = resolve));
  private readonly closing = new AbortController();

  constructor(
    private readonly client: Boxroom,
    private readonly database: Database,
    private readonly room: OutboxRoom,
    private readonly options: OutboxOptions = {},
  ) {}

  /** The messages that are being sent or have failed, the oldest first. */
  get drafts(): Draft[] {
    return [...this.entries.values()];
  }

  /** Reads the drafts of an earlier page. Call it before the room is followed: their events may arrive from then on. */
  async load(): Promise<void> {
    const stored = await this.database.drafts(this.room.roomId).catch(() => []);
    // Messages of this page are later ones.
    const own = this.drafts;
    this.entries.clear();
    for (const draft of [...stored, ...own]) this.entries.set(draft.key, draft);
    if (stored.length > 0) this.room.onChange();
  }

  /** Continues with all drafts. Call it whenever the room was read. Nothing is sent before the first call. */
  resume(): void {
    for (const draft of this.drafts) {
      if (draft.state === 'failed') continue;
      // A message long after it was written would surprise: the user decides. A moderator takes any time.
      if (isKeyOver(draft) && draft.state !== 'held') this.inTurn(draft.key, (current) => this.expire(current));
      else if (draft.state === 'sending') this.transmit(draft.key);
      else if (draft.after_v < this.room.skippedV()) this.inTurn(draft.key, (current) => this.dropIfStored(current));
    }
    this.begin();
  }

  /** Sends a message. It is a draft until its event arrives. Returns the key of the draft. */
  async send(body: string, replyTo?: string): Promise<string> {
    const { roomId } = this.room;
    const key = uuidv7();
    const time = { created_at: Date.now(), after_v: this.room.lastV() };
    await this.put({ key, room_id: roomId, body, reply_to: replyTo, ...time, state: 'sending' });
    this.transmit(key);
    return key;
  }

  /**
   * Sends a failed draft again, with the same key: the message is stored once, whatever has happened before. A draft
   * whose key the service may have forgotten is first looked for in the feed.
   */
  async retry(key: string): Promise<void> {
    const draft = this.entries.get(key);
    if (draft?.state !== 'failed') return;
    const { code: _, ...rest } = draft;
    await this.put({ ...rest, state: 'sending' });
    this.transmit(key);
  }

  /**
   * Removes a failed or held draft. A message that was not known to be stored may appear all the same, and a held one
   * when a moderator publishes it.
   */
  async discard(key: string): Promise<void> {
    const state = this.entries.get(key)?.state;
    if (state === 'failed' || state === 'held') await this.remove(key);
  }

  /** Removes a draft, for example because its event has arrived. */
  async remove(key: string): Promise<void> {
    if (!this.take(key)) return;
    this.room.onChange();
    await this.store({ sent: [key] });
  }

  /** Removes a draft from memory. Returns true if there was one: the caller removes it from the database. */
  take(key: string): boolean {
    return this.entries.delete(key);
  }

  /** Begins again with another log. Drafts that the former one has stored are gone. Returns what is to be stored. */
  restart(): Required<Pick<Change, 'drafts' | 'sent'>> {
    const sent = this.drafts.filter(({ state }) => state === 'stored').map(({ key }) => key);
    sent.forEach((key) => this.take(key));
    const drafts = this.drafts.map((draft) => ({ ...draft, after_v: 0 }));
    drafts.forEach((draft) => this.entries.set(draft.key, draft));
    return { drafts, sent };
  }

  /** Ends the request of a draft, and sends nothing more. The next outbox of the room continues with the drafts. */
  close(): void {
    this.closing.abort();
  }

  private transmit(key: string): void {
    this.inTurn(key, (draft) => this.transmitNow(draft));
  }

  /** Handles one draft after another. */
  private inTurn(key: string, handle: (draft: Draft) => Promise<unknown>): void {
    const next = async () => {
      const draft = this.entries.get(key);
      if (draft && !this.closing.signal.aborted) await handle(draft);
    };
    this.sending = this.sending.then(next).catch(() => {});
  }

  private async transmitNow(draft: Draft): Promise<void> {
    // It may wait for its turn more than once.
    if (draft.state !== 'sending') return;
    const { key, reply_to } = draft;
    const marker = this.options.readMarker ? { read_marker: true } : {};
    const body = { body: draft.body, ...(reply_to === undefined ? {} : { reply_to }), ...marker };
    const startV = this.room.lastV();
    let isRepeat: boolean;
    let isHeld: boolean;
    try {
      // The service may have forgotten the key, and would store the message again.
      if (isKeyOver(draft) && (await this.dropIfStored(draft))) return;
      const options = { idempotencyKey: key, deadlineMs: SEND_MS, signal: this.closing.signal };
      const { data, replayed } = await this.client.request('postMessage', { room: this.room.roomId, body }, options);
      isRepeat = replayed;
      isHeld = 'report_id' in data;
    } catch (error) {
      if (this.closing.signal.aborted) return;
      return this.update({ ...draft, state: 'failed', code: codeOf(error) });
    }
    await this.update({ ...draft, state: isHeld ? 'held' : 'stored' });
    // The event may be a skipped one. That of a repeat is older than this request.
    const after_v = isRepeat ? draft.after_v : startV;
    if (after_v < this.room.skippedV()) await this.dropIfStored({ ...draft, after_v });
  }

  /** Drops a draft if its message is stored. Otherwise it has failed. */
  private async expire(draft: Draft): Promise<void> {
    const isDropped = await this.dropIfStored(draft).catch(() => false);
    if (!isDropped) await this.update({ ...draft, state: 'failed', code: 'expired' });
  }

  /** Reads the feed since the draft was written. Drops the draft and returns true if its event is there. */
  private async dropIfStored({ key, after_v }: Draft): Promise<boolean> {
    const { roomId } = this.room;
    for (let v = after_v; this.entries.has(key); ) {
      const { items } = await this.client.api.listEvents({ room: roomId, after_v: v, limit: LOOKUP_PAGE });
      if (items.some(({ command_id }) => command_id === key)) await this.remove(key);
      const last = items.at(-1);
      if (!last) return !this.entries.has(key);
      v = last.v;
    }
    return true;
  }

  /** Changes a draft, unless its event has arrived meanwhile. */
  private async update(draft: Draft): Promise<void> {
    if (this.entries.has(draft.key)) await this.put(draft);
  }

  private async put(draft: Draft): Promise<void> {
    this.entries.set(draft.key, draft);
    this.room.onChange();
    await this.store({ drafts: [draft] });
  }

  private async store(change: Change): Promise<void> {
    await this.database.apply(this.room.roomId, change).catch(() => {});
  }
}

/** Returns true if the service may have forgotten the key of the draft. */
function isKeyOver({ created_at }: Draft): boolean {
  return Date.now() - created_at > KEY_LIFETIME_MS;
}

function codeOf(error: unknown): string {
  if (error instanceof Problem) return error.code;
  return error instanceof SignedOut ? 'signed-out' : 'network';
}
