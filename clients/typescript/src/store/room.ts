/** One room of a store. */

import type { Boxroom } from '../client.js';
import type { Item, RoomEvent } from '../live/items.js';
import { Problem } from '../rest/problem.js';
import { uuidv7 } from '../uuid.js';
import type { Database, Draft } from './database.js';
import { Fold, withoutTexts, type Member, type Message, type RoomInfo, type Snapshot } from './fold.js';

/** The number of events that are shown at first, and added by each earlier page. */
const PAGE = 100;

/** The time in which the service remembers the key of a draft, in milliseconds. */
const KEY_LIFETIME_MS = 23 * 60 * 60 * 1000;

/** The time in which a draft is repeated before it counts as failed, in milliseconds. */
const SEND_MS = 60_000;

/** A room: its messages, members and drafts. */
export class StoredRoom {
  private events: RoomEvent[];
  private fold: Fold;
  private readonly outbox: Map<string, Draft>;
  private readonly listeners = new Set<() => void>();
  /** Sends one draft after another, so that they keep their order. */
  private sending: Promise<void> = Promise.resolve();
  private loading: Promise<boolean> | undefined;
  private standing: 'inside' | 'ended' = 'inside';
  private disposed = false;
  /** The version of the next event. Others are left out: they were on the way when the room began again. */
  private nextV: number;

  private constructor(
    private readonly client: Boxroom,
    private readonly database: Database,
    /** The id of the room. */
    readonly roomId: string,
    events: RoomEvent[],
    private snapshot: Snapshot | undefined,
    drafts: Draft[],
    afterV: number,
  ) {
    this.events = events;
    this.nextV = afterV + 1;
    this.fold = new Fold(snapshot, events);
    this.outbox = new Map(drafts.map((draft) => [draft.key, draft]));
  }

  /** Shows what is stored, and follows the room. */
  static async open(client: Boxroom, database: Database, roomId: string): Promise<StoredRoom> {
    const [stored, snapshot, drafts] = await Promise.all([
      database.events(roomId, PAGE),
      database.snapshot(roomId),
      database.drafts(roomId),
    ]);
    const lastV = stored.at(-1)?.v;
    const afterV = lastV ?? beginning((await client.api.listEvents({ room: roomId, limit: 1 })).head_v);
    const room = new StoredRoom(client, database, roomId, stored, snapshot, drafts, afterV);
    client.live.subscribe(roomId, afterV);
    for (const draft of drafts) room.resume(draft);
    return room;
  }

  /** The messages from the first one that is loaded, the oldest first. */
  get messages(): Message[] {
    return [...this.fold.messages.values()];
  }

  /** The members, in the order in which they joined. */
  get members(): Member[] {
    return this.fold.members;
  }

  /** Title, host, step and closing time, as far as they are known. */
  get info(): Readonly<RoomInfo> {
    return this.fold.info;
  }

  /** The messages that are being sent or have failed, the oldest first. They are shown after the others. */
  get drafts(): Draft[] {
    return [...this.outbox.values()];
  }

  /** The version of the last event. */
  get lastV(): number {
    return this.events.at(-1)?.v ?? 0;
  }

  /** True if there are earlier events. */
  get hasEarlier(): boolean {
    return (this.events[0]?.v ?? 1) > 1 && this.standing === 'inside';
  }

  /** Calls back after each change. Returns a function that stops this. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Loads earlier events, from the database or from the service. Returns false if there are none. */
  loadEarlier(): Promise<boolean> {
    this.loading ??= this.loadPage().finally(() => {
      this.loading = undefined;
    });
    return this.loading;
  }

  /** Sends a message. It is a draft until its event arrives, and survives a reload. Returns the key of the draft. */
  async send(body: string, replyTo?: string): Promise<string> {
    const key = uuidv7();
    const state = 'sending' as const;
    const draft: Draft = { key, room_id: this.roomId, body, reply_to: replyTo, created_at: Date.now(), state };
    await this.setDraft(draft);
    this.transmit(key);
    return key;
  }

  /** Sends a failed draft again, with the same key: the message is stored once, whatever has happened before. */
  async retry(key: string): Promise<void> {
    const draft = this.outbox.get(key);
    if (draft?.state !== 'failed') return;
    const { code: _, ...rest } = draft;
    await this.setDraft({ ...rest, state: 'sending' });
    this.transmit(key);
  }

  /** Removes a failed draft. A message that was not known to be stored may appear all the same. */
  async discard(key: string): Promise<void> {
    if (this.outbox.get(key)?.state !== 'failed') return;
    this.outbox.delete(key);
    await this.database.apply(this.roomId, { sent: [key] });
    this.changed();
  }

  /** Applies an item of the live client. */
  async onItem(item: Item): Promise<void> {
    if (item.type === 'event') await this.onEvent(item.data);
    else if (item.type === 'subscribed') this.onSubscribed();
    else if (item.type === 'reset') await this.onReset(item.data.reason, item.data.head_v);
    else if (item.type === 'ended') {
      this.standing = 'ended';
      this.changed();
    }
  }

  /** Removes the texts of an erased user, also from the database. */
  async erase(author: string): Promise<void> {
    const stored = await this.database.events(this.roomId, Number.MAX_SAFE_INTEGER);
    const changed = stored
      .map((event) => withoutTexts(event, author))
      .filter((event, index) => event !== stored[index]);
    this.events = this.events.map((event) => withoutTexts(event, author));
    this.fold.erase(author);
    await this.database.apply(this.roomId, { events: changed });
    this.changed();
  }

  /** Stops all callbacks. */
  dispose(): void {
    this.disposed = true;
    this.listeners.clear();
  }

  private async onEvent(event: RoomEvent): Promise<void> {
    if (event.v !== this.nextV) return;
    this.nextV += 1;
    this.events.push(event);
    this.fold.apply(event);
    const isOwn = event.command_id !== undefined && this.outbox.delete(event.command_id);
    this.changed();
    // The draft goes with the transaction that stores its message.
    await this.database.apply(this.roomId, {
      events: [event],
      ...(isOwn ? { sent: [event.command_id as string] } : {}),
    });
  }

  /** Reads members and card, if the first events of the room are not known. */
  private onSubscribed(): void {
    if (this.snapshot || this.nextV === 1 || this.events[0]?.v === 1) return;
    // Other items need not wait for it.
    void this.readSnapshot().catch(() => {});
  }

  private async readSnapshot(): Promise<void> {
    const snapshot = await snapshotOf(this.client, this.roomId);
    this.snapshot = snapshot;
    this.fold = new Fold(snapshot, this.events);
    this.changed();
    await this.database.apply(this.roomId, { snapshot });
  }

  private async onReset(reason: string, headV: number): Promise<void> {
    if (reason === 'no-longer-inside') {
      // Only the parting event follows. The events before it are not readable any more.
      this.nextV = headV + 1;
      return;
    }
    // The stored versions belong to another log. Drafts that it has stored are gone with it.
    const gone = this.drafts.filter(({ state }) => state === 'stored').map(({ key }) => key);
    gone.forEach((key) => this.outbox.delete(key));
    const afterV = beginning(headV);
    this.events = [];
    this.snapshot = undefined;
    this.fold = new Fold(undefined, []);
    this.nextV = afterV + 1;
    this.client.live.subscribe(this.roomId, afterV);
    this.changed();
    await this.database.apply(this.roomId, { clear: true, sent: gone });
  }

  private async loadPage(): Promise<boolean> {
    const firstV = this.events[0]?.v;
    if (firstV === undefined || !this.hasEarlier) return false;
    let page = await this.database.events(this.roomId, PAGE, firstV);
    if (page.at(-1)?.v !== firstV - 1) {
      const { events } = await this.client.live.fetch(this.roomId, Math.max(firstV - 1 - PAGE, 0));
      page = events.filter(({ v }) => v < firstV);
      await this.database.apply(this.roomId, { events: page });
    }
    if (this.events[0]?.v !== firstV || page.at(-1)?.v !== firstV - 1) return false;
    this.events = [...page, ...this.events];
    // Later events may change earlier messages.
    this.fold = new Fold(this.snapshot, this.events);
    this.changed();
    return true;
  }

  /** Continues with a draft after a reload. */
  private resume(draft: Draft): void {
    if (draft.state === 'failed') return;
    if (Date.now() - draft.created_at > KEY_LIFETIME_MS) {
      // The service may not know the key any more: another try could store the message twice.
      void this.setDraft({ ...draft, state: 'failed', code: 'expired' });
    } else if (draft.state === 'sending') this.transmit(draft.key);
  }

  private transmit(key: string): void {
    this.sending = this.sending.then(() => this.transmitNow(key)).catch(() => {});
  }

  private async transmitNow(key: string): Promise<void> {
    const draft = this.outbox.get(key);
    if (!draft || this.disposed) return;
    const body = { body: draft.body, ...(draft.reply_to === undefined ? {} : { reply_to: draft.reply_to }) };
    let next: Draft;
    try {
      await this.client.api.postMessage({ room: this.roomId, body }, { idempotencyKey: key, deadlineMs: SEND_MS });
      next = { ...draft, state: 'stored' };
    } catch (error) {
      next = { ...draft, state: 'failed', code: error instanceof Problem ? error.code : 'network' };
    }
    // The event may have arrived before the answer.
    if (this.outbox.has(key)) await this.setDraft(next);
  }

  private async setDraft(draft: Draft): Promise<void> {
    this.outbox.set(draft.key, draft);
    this.changed();
    await this.database.apply(this.roomId, { drafts: [draft] });
  }

  private changed(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

/** Returns the version after which a room begins that is not stored. */
function beginning(headV: number): number {
  return Math.max(headV - PAGE, 0);
}

async function snapshotOf(client: Boxroom, roomId: string): Promise<Snapshot> {
  const card = await client.api.showRoom({ room: roomId });
  const members: Member[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.api.listMembers({
      room: roomId,
      limit: 200,
      ...(cursor === undefined ? {} : { cursor }),
    });
    members.push(...page.items.map(({ user_id, nickname }) => ({ user_id, nickname })));
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  const { title, host, step, closes_at } = card;
  const { pinned } = card as { pinned?: readonly string[] | null };
  const info: RoomInfo = { title, step, closes_at, ...(host == null ? {} : { host }), ...(pinned == null ? {} : { pinned }) };
  return { members, info };
}
