/** One room of a store. */

import type { Boxroom } from '../client.js';
import { isEvent, type Item, type RoomEvent } from '../live/items.js';
import { Problem } from '../rest/problem.js';
import { SignedOut } from '../session.js';
import { sleep } from '../time.js';
import { boxOf, MAX_EVENTS, type Database, type Draft } from './database.js';
import {
  Fold,
  snapshotWithoutUser,
  withoutMessage,
  withoutTexts,
  type Member,
  type Message,
  type RoomInfo,
  type Snapshot,
} from './fold.js';
import { Outbox } from './outbox.js';

/** The number of events that are shown at first, and added by each earlier page. */
const PAGE = 100;

/** The number of events of a page that is read again. */
const REREAD = 200;

/** The delay before a failed read is repeated, in milliseconds. */
const REREAD_RETRY_MS = 5000;

/** A room: its messages, members and drafts. */
export class StoredRoom {
  private events: RoomEvent[];
  private fold: Fold;
  private readonly outbox: Outbox;
  private readonly listeners = new Set<() => void>();
  private loading: Promise<boolean> | undefined;
  private standing: 'inside' | 'ended' = 'inside';
  private disposed = false;
  /** True once the snapshot was read since the room was opened: a stored one may be outdated. */
  private hasFreshSnapshot = false;
  /** Counts the changes after which events that are being read are outdated. */
  private round = 0;
  /** The same of snapshots. */
  private snapshotRound = 0;
  /** The version of the next event. Others are left out: they were on the way when the room began again. */
  private nextV: number;
  /** The version up to which events were skipped at the beginning. */
  private skippedV: number;

  private constructor(
    private readonly client: Boxroom,
    private readonly database: Database,
    /** The id of the room. */
    readonly roomId: string,
    events: RoomEvent[],
    private snapshot: Snapshot | undefined,
    /** The erased users of the box. */
    private readonly erased: Set<string>,
    afterV: number,
  ) {
    this.skippedV = events.length > 0 ? 0 : afterV;
    this.events = events;
    this.nextV = afterV + 1;
    this.fold = new Fold(snapshot, events);
    this.outbox = new Outbox(client, database, {
      roomId,
      onChange: () => this.changed(),
      lastV: () => this.nextV - 1,
      skippedV: () => this.skippedV,
    });
  }

  /** Shows what is stored, and follows the room. */
  static async open(client: Boxroom, database: Database, roomId: string): Promise<StoredRoom> {
    const [stored, snapshot, erased] = await Promise.all([
      database.events(roomId, PAGE),
      database.snapshot(roomId),
      database.erased(boxOf(roomId)),
    ]);
    // Another tab may have stored an event after it was erased here.
    const events = stored.map((event) => erased.reduce(withoutTexts, event));
    const changed = events.filter((event, index) => event !== stored[index]);
    if (changed.length > 0) await database.apply(roomId, { events: changed });
    const lastV = stored.at(-1)?.v;
    const afterV = lastV ?? beginning((await client.api.listEvents({ room: roomId, limit: 1 })).head_v);
    const room = new StoredRoom(client, database, roomId, events, snapshot, new Set(erased), afterV);
    await room.outbox.load();
    client.live.subscribe(roomId, afterV);
    room.outbox.resume();
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
    return this.outbox.drafts;
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
  send(body: string, replyTo?: string): Promise<string> {
    return this.outbox.send(body, replyTo);
  }

  /** Sends a failed draft again, with the same key: the message is stored once, whatever has happened before. */
  retry(key: string): Promise<void> {
    return this.outbox.retry(key);
  }

  /** Removes a failed draft. A message that was not known to be stored may appear all the same. */
  discard(key: string): Promise<void> {
    return this.outbox.discard(key);
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

  /** Removes the texts of an erased user. Those in the database are removed by the store. */
  erase(user: string): void {
    if (this.erased.has(user)) return;
    this.erased.add(user);
    this.events = this.events.map((event) => withoutTexts(event, user));
    if (this.snapshot) this.snapshot = snapshotWithoutUser(this.snapshot, user);
    this.fold = new Fold(this.snapshot, this.events);
    this.changed();
    this.refreshSnapshot();
  }

  /** Reads what is shown again from the service: erasures may have been missed. The database has nothing of it. */
  reread(): void {
    this.round += 1;
    void this.rereadNow(this.round);
    this.refreshSnapshot();
  }

  /** Stops all callbacks. */
  dispose(): void {
    this.disposed = true;
    this.outbox.close();
    this.listeners.clear();
  }

  private async onEvent(received: RoomEvent): Promise<void> {
    if (received.v !== this.nextV) return;
    this.nextV += 1;
    const event = this.withoutErased(received);
    this.events.push(event);
    this.fold.apply(event);
    const isOwn = event.command_id !== undefined && this.outbox.take(event.command_id);
    this.changed();
    const blanked = isEvent(event, 'message_deleted') ? await this.blank(event.data.message_id) : [];
    // The draft goes with the transaction that stores its message.
    await this.database.apply(this.roomId, {
      events: [...blanked, event],
      ...(isOwn ? { sent: [event.command_id as string] } : {}),
    });
  }

  /** Removes the text of a deleted message from the loaded events. Returns the changed events, to be stored. */
  private async blank(messageId: string): Promise<RoomEvent[]> {
    const isPost = (event: RoomEvent) => isEvent(event, 'message_posted') && event.data.message_id === messageId;
    const loaded = this.events;
    this.events = loaded.map((event) => withoutMessage(event, messageId));
    const stored = loaded.some(isPost) ? loaded : await this.database.events(this.roomId, MAX_EVENTS);
    return stored.map((event) => withoutMessage(event, messageId)).filter((event, index) => event !== stored[index]);
  }

  /** Reads members and card, if the first events of the room are not known. */
  private onSubscribed(): void {
    if (!this.hasFreshSnapshot) this.refreshSnapshot();
  }

  private refreshSnapshot(): void {
    this.hasFreshSnapshot = false;
    this.snapshotRound += 1;
    if (this.nextV === 1 || this.events[0]?.v === 1) return;
    // Other items need not wait for it. After a failure the next subscription tries again.
    void this.readSnapshot().catch(() => {});
  }

  private async readSnapshot(): Promise<void> {
    const { snapshotRound } = this;
    const read = await snapshotOf(this.client, this.roomId);
    if (this.snapshotRound !== snapshotRound || this.disposed) return;
    this.hasFreshSnapshot = true;
    const snapshot = { ...read, members: read.members.map((member) => this.withoutNickname(member)) };
    this.snapshot = snapshot;
    this.fold = new Fold(snapshot, this.events);
    this.changed();
    await this.database.apply(this.roomId, { snapshot });
  }

  private withoutNickname(member: Member): Member {
    return this.erased.has(member.user_id) ? { ...member, nickname: null } : member;
  }

  private withoutErased(event: RoomEvent): RoomEvent {
    return [...this.erased].reduce(withoutTexts, event);
  }

  /** Reads what is shown again, and repeats this after failures until something newer happens. */
  private async rereadNow(round: number): Promise<void> {
    for (;;) {
      try {
        return await this.rereadOnce(round);
      } catch (error) {
        if (this.round !== round || this.disposed) return;
        const status = error instanceof Problem ? error.status : 0;
        if (error instanceof SignedOut || status === 401) return;
        // The user is not a member any more.
        if (status === 403 || status === 404) return this.show([]);
        await sleep(REREAD_RETRY_MS);
      }
    }
  }

  private async rereadOnce(round: number): Promise<void> {
    const [first] = this.events;
    if (!first) return;
    const { lastV } = this;
    const events: RoomEvent[] = [];
    for (let v = first.v - 1; v < lastV; v = (events.at(-1) as RoomEvent).v) {
      const { items, head_v } = await this.client.api.listEvents({ room: this.roomId, after_v: v, limit: REREAD });
      if (this.round !== round || this.disposed) return;
      if (items.length === 0) return this.beginAgain(head_v);
      events.push(...items.map((event) => ({ room_id: this.roomId, ...event })));
    }
    const shown = events.filter(({ v }) => v <= lastV).map((event) => this.withoutErased(event));
    // Others were loaded or have arrived meanwhile.
    const isOther = ({ v }: RoomEvent) => v < first.v || v > lastV;
    this.show([...shown, ...this.events.filter(isOther)].sort((a, b) => a.v - b.v));
    await this.database.apply(this.roomId, { events: shown });
  }

  private show(events: RoomEvent[]): void {
    this.round += 1;
    this.events = events;
    this.fold = new Fold(this.snapshot, events);
    this.changed();
  }

  private async onReset(reason: string, headV: number): Promise<void> {
    if (reason === 'no-longer-inside') {
      // Only the parting event follows. The events before it are not readable any more.
      this.nextV = headV + 1;
      return;
    }
    await this.beginAgain(headV);
  }

  /** Begins again: the stored versions belong to another log. Drafts that it has stored are gone with it. */
  private async beginAgain(headV: number): Promise<void> {
    const drafts = this.outbox.restart();
    const afterV = beginning(headV);
    this.skippedV = afterV;
    this.snapshot = undefined;
    this.hasFreshSnapshot = false;
    this.snapshotRound += 1;
    this.nextV = afterV + 1;
    this.client.live.subscribe(this.roomId, afterV);
    this.show([]);
    await this.database.apply(this.roomId, { clear: true, ...drafts });
  }

  private async loadPage(): Promise<boolean> {
    const { round } = this;
    const firstV = this.events[0]?.v;
    if (firstV === undefined || !this.hasEarlier) return false;
    let page = await this.database.events(this.roomId, PAGE, firstV);
    if (page.at(-1)?.v !== firstV - 1) {
      const { events } = await this.client.live.fetch(this.roomId, Math.max(firstV - 1 - PAGE, 0));
      page = events.filter(({ v }) => v < firstV).map((event) => this.withoutErased(event));
      if (this.round !== round) return this.loadPage();
      await this.database.apply(this.roomId, { events: page });
    }
    if (this.round !== round) return this.loadPage();
    page = page.map((event) => this.withoutErased(event));
    if (this.events[0]?.v !== firstV || page.at(-1)?.v !== firstV - 1) return false;
    this.events = [...page, ...this.events];
    // Later events may change earlier messages.
    this.fold = new Fold(this.snapshot, this.events);
    this.changed();
    return true;
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
  const { title, title_erased, host, step, closes_at, pinned } = card;
  const info: RoomInfo = { title, title_erased, host, step, closes_at, ...(pinned === undefined ? {} : { pinned }) };
  return { members, info };
}
