/** Messages of a room that are being sent. */

import { NetworkError, Problem, uuidv7, type Boxroom } from '@boxroom/client';
import type { Database, Draft } from '@boxroom/client/store';

/** The time in which the service remembers the key of a message, in milliseconds. */
const KEY_LIFETIME_MS = 23 * 60 * 60 * 1000;

/** The time in which a message is repeated before it counts as failed, in milliseconds. */
const SEND_MS = 60_000;

/** The room of an outbox. */
export interface OutboxRoom {
  onChange(): void;
  /** The version of the last event that is known. */
  lastV(): number;
}

/** The number of events of a page in which an old message is looked for. */
const LOOKUP_PAGE = 200;

/** Messages that are being sent, one after another. They survive a reload if the database does. */
export class Outbox {
  private readonly entries = new Map<string, Draft>();
  /** The keys of own messages whose events have arrived. */
  private readonly arrived = new Set<string>();
  private sending: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(
    private readonly client: Boxroom,
    private readonly database: Database,
    private readonly roomId: string,
    private readonly room: OutboxRoom,
  ) {}

  /** The messages that are being sent or have failed, the oldest first. */
  get drafts(): readonly Draft[] {
    return [...this.entries.values()];
  }

  /** Continues with the messages of an earlier page. */
  async restore(): Promise<void> {
    const stored = await this.database.drafts(this.roomId);
    for (const draft of stored) {
      if (this.entries.has(draft.key) || this.arrived.has(draft.key)) continue;
      this.entries.set(draft.key, draft);
      if (draft.state === 'failed') continue;
      // Beyond this time only the user decides to send it again.
      if (isOld(draft)) await this.put({ ...draft, state: 'failed', code: 'expired' });
      else this.transmit(draft.key);
    }
    this.room.onChange();
  }

  /** Sends a message. Returns its key. */
  async send(body: string, replyTo?: string): Promise<string> {
    const key = uuidv7();
    const draft: Draft = {
      key,
      room_id: this.roomId,
      body,
      reply_to: replyTo,
      created_at: Date.now(),
      after_v: this.room.lastV(),
      state: 'sending',
    };
    await this.put(draft);
    this.transmit(key);
    return key;
  }

  /** Sends a failed message again, with the same key. */
  async retry(key: string): Promise<void> {
    const draft = this.entries.get(key);
    if (draft?.state !== 'failed') return;
    const { code: _, ...rest } = draft;
    await this.put({ ...rest, state: 'sending' });
    this.transmit(key);
  }

  /** Removes a failed message. */
  async discard(key: string): Promise<void> {
    if (this.entries.get(key)?.state === 'failed') await this.remove(key);
  }

  /** Removes a message whose event has arrived. */
  onArrived(key: string): void {
    this.arrived.add(key);
    if (this.entries.has(key)) void this.remove(key);
  }

  close(): void {
    this.closed = true;
  }

  private transmit(key: string): void {
    this.sending = this.sending.then(() => this.transmitNow(key)).catch(() => {});
  }

  private async transmitNow(key: string): Promise<void> {
    const draft = this.entries.get(key);
    if (!draft || this.closed || draft.state === 'failed') return;
    if (isOld(draft)) {
      try {
        if (await this.isStored(draft)) return await this.remove(key);
      } catch (error) {
        return this.put({ ...draft, state: 'failed', code: error instanceof Problem ? error.code : 'network' });
      }
    }
    const reply = draft.reply_to === undefined ? {} : { reply_to: draft.reply_to };
    const body = { body: draft.body, read_marker: true, ...reply };
    let next: Draft;
    try {
      const options = { idempotencyKey: key, deadlineMs: SEND_MS };
      const { replayed } = await this.client.request('postMessage', { room: this.roomId, body }, options);
      if (replayed) {
        // An earlier try has stored the message: it is shown already, or its event is on the way.
        await this.remove(key);
        return;
      }
      next = { ...draft, state: 'stored' };
    } catch (error) {
      const code = error instanceof Problem ? error.code : error instanceof NetworkError ? 'network' : 'signed-out';
      next = { ...draft, state: 'failed', code };
    }
    // The event may have arrived before the answer.
    if (this.entries.has(key)) await this.put(next);
  }

  /** Looks for the event of a message whose key the service may have forgotten. */
  private async isStored({ key, after_v }: Draft): Promise<boolean> {
    for (let v = after_v; ; ) {
      const { items } = await this.client.api.listEvents({ room: this.roomId, after_v: v, limit: LOOKUP_PAGE });
      if (items.some(({ command_id }) => command_id === key)) return true;
      const last = items.at(-1);
      if (!last) return false;
      v = last.v;
    }
  }

  private async put(draft: Draft): Promise<void> {
    this.entries.set(draft.key, draft);
    this.room.onChange();
    await this.database.apply(this.roomId, { drafts: [draft] }).catch(() => {});
  }

  private async remove(key: string): Promise<void> {
    this.entries.delete(key);
    this.room.onChange();
    await this.database.apply(this.roomId, { sent: [key] }).catch(() => {});
  }
}

/** Returns true if another try could store a message twice. */
function isOld(draft: Draft): boolean {
  return Date.now() - draft.created_at > KEY_LIFETIME_MS;
}
