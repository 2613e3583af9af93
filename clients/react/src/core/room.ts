/** One room: its card, members, messages and signals. */

import { isEvent, Problem, type Boxroom, type Items, type RoomEvent } from '@boxroom/client';
import { Outbox, type Database, type Draft } from '@boxroom/client/store';
import { detailsAfter, type Details } from './details.js';
import { isLater } from './ids.js';
import type { Names } from './names.js';
import { withNotice } from './notices.js';
import { Presence } from './presence.js';
import type { ChatMessage, MemberView, Notice, Place } from './types.js';
import { Value } from './value.js';
import { MessageWindow, PAGE, withReaction } from './window.js';

/** The number of events before the current one that are searched for notices. */
const RECENT_EVENTS = 100;

/** The least time between two moves of the read marker, in milliseconds. */
const MARKER_MS = 1000;

/** The state of a room. */
export interface RoomState extends Details {
  readonly status: 'loading' | 'ready' | 'failed';
  /** The code of the problem, if `failed`: `not-a-member`, `room-not-found`, … */
  readonly code?: string;
  /** True while missed events are on the way. */
  readonly behind: boolean;
}

/** The messages of a room that are loaded. */
export interface MessagesState {
  /** Consecutive messages, the oldest first. */
  readonly messages: readonly ChatMessage[];
  /** Events between the messages, the oldest first. */
  readonly notices: readonly Notice[];
  /** The messages that are being sent or have failed, the oldest first. */
  readonly drafts: readonly Draft[];
  readonly hasEarlier: boolean;
  readonly hasLater: boolean;
  readonly loading: 'earlier' | 'later' | 'jump' | undefined;
  /** The number of new messages below a window that is away from the end. */
  readonly newBelow: number;
  /** The first message that was unread when the room was opened. */
  readonly firstUnread: string | undefined;
}

/** The surroundings of a room. */
export interface RoomContext {
  client: Boxroom;
  userId: string;
  database: Database;
  names: Names;
  onBehind: () => void;
}

/** A followed room. */
export class RoomModel {
  readonly state = new Value<RoomState>({ status: 'loading', members: [], place: 'inside', behind: true });
  readonly messages: Value<MessagesState>;
  readonly presence: Presence;
  private readonly window = new MessageWindow();
  private readonly outbox: Outbox;
  private readonly drafts: Promise<void>;
  private notices: readonly Notice[] = [];
  private loading: MessagesState['loading'];
  private firstUnread: string | undefined;
  private readUpTo: string | undefined;
  private markerTimer: ReturnType<typeof setTimeout> | undefined;
  private lastV = 0;
  /** The version up to which events were read with the room. */
  private readV = 0;
  private headV = 0;
  /** Counts the reads of the room: the result of an earlier one is dropped. */
  private opened = 0;
  /** Counts the replacements of the window: a page of an earlier one is dropped. */
  private epoch = 0;
  private closed = false;

  constructor(
    readonly roomId: string,
    private readonly context: RoomContext,
  ) {
    const { client, database, userId } = context;
    this.presence = new Presence(userId);
    const room = { roomId, onChange: () => this.show(), lastV: () => this.lastV, skippedV: () => this.readV };
    this.outbox = new Outbox(client, database, room, { readMarker: true });
    this.drafts = this.outbox.load();
    this.messages = new Value(this.shown());
    void this.open();
  }

  /** Reads the room and follows it; also again after it was refused. */
  async open(): Promise<void> {
    const { client } = this.context;
    const opened = (this.opened += 1);
    this.state.update({ status: this.state.get().status === 'ready' ? 'ready' : 'loading', behind: true });
    try {
      // Events after the card are applied again to what was read later. This changes nothing.
      const card = await client.api.showRoom({ room: this.roomId });
      const [members, page, recent] = await Promise.all([
        this.readMembers(card.status === 'closed'),
        client.api.listMessages({ room: this.roomId, limit: PAGE }),
        client.api.listEvents({ room: this.roomId, after_v: Math.max(card.v - RECENT_EVENTS, 0), limit: 200 }),
        this.drafts,
      ]);
      if (opened !== this.opened || this.closed) return;
      this.epoch += 1;
      this.loading = undefined;
      this.lastV = card.v;
      this.headV = card.v;
      this.readV = card.v;
      this.notices = [];
      for (const event of recent.items) this.note({ ...event, room_id: this.roomId } as RoomEvent);
      this.window.replace(page.items, page.next != null, false);
      this.context.names.learn(members);
      this.context.names.want(page.items.map(({ author }) => author));
      const markers = Object.fromEntries(members.flatMap((m) => (m.read_up_to ? [[m.user_id, m.read_up_to]] : [])));
      this.presence.setMarkers(markers);
      this.readUpTo ??= markers[this.context.userId];
      this.findFirstUnread();
      const isOpen = card.status === 'open';
      this.state.set({ status: 'ready', card, members, place: isOpen ? 'inside' : 'closed', behind: isOpen });
      this.show();
      if (isOpen) client.live.subscribe(this.roomId, card.v);
      else this.context.onBehind();
      this.outbox.resume();
    } catch (error) {
      if (opened !== this.opened || this.closed) return;
      const code = error instanceof Problem ? error.code : 'network';
      this.state.update({ status: 'failed', code, behind: false });
      this.context.onBehind();
    }
  }

  /** Adds earlier messages to the window. */
  async loadEarlier(): Promise<void> {
    const { first } = this.window;
    if (!first || !this.window.hasEarlier || this.loading) return;
    await this.load('earlier', async () => {
      const page = await this.page({ before: first.message_id, limit: 100 });
      return () => this.window.prepend(page.items, page.next != null);
    });
  }

  /** Adds later messages to a window that is away from the end. */
  async loadLater(): Promise<void> {
    const { last } = this.window;
    if (!last || !this.window.hasLater || this.loading) return;
    await this.load('later', async () => {
      const page = await this.page({ after: last.message_id, limit: 100 });
      return () => this.window.append(page.items, page.next != null);
    });
  }

  /** Shows the surroundings of a message. Returns false if the room does not have it. */
  async jumpTo(messageId: string): Promise<boolean> {
    if (this.window.has(messageId)) return true;
    const epoch = (this.epoch += 1);
    await this.load('jump', async () => {
      const page = await this.page({ around: messageId, limit: PAGE });
      const ids = page.items.map(({ message_id }) => message_id);
      const newest = ids.reduce((a, b) => (isLater(a, b) ? a : b), '0');
      const later = await this.page({ after: newest, limit: 1 });
      return () => {
        if (epoch === this.epoch) this.window.replace(page.items, true, later.items.length > 0);
      };
    });
    return this.window.has(messageId);
  }

  /** Shows the newest messages. */
  async jumpToNewest(): Promise<void> {
    if (!this.window.hasLater) return;
    const epoch = (this.epoch += 1);
    await this.load('jump', async () => {
      const page = await this.page({ limit: PAGE });
      return () => {
        if (epoch === this.epoch) this.window.replace(page.items, page.next != null, false);
      };
    });
  }

  /** Shows the first message from a time on. Returns its id, if there is one. */
  async jumpToDate(time: Date): Promise<string | undefined> {
    const newest = (await this.page({ limit: 1 })).items[0];
    if (!newest || Date.parse(newest.posted_at) < time.getTime()) return undefined;
    // Ids ascend with the time. The first message from the time on is after `low`, and at `high` at the latest.
    let low = 0n;
    let high = BigInt(newest.message_id);
    while (low + 1n < high) {
      const middle = (low + high) / 2n;
      const before = (await this.page({ before: String(middle + 1n), limit: 1 })).items[0];
      if (!before || Date.parse(before.posted_at) < time.getTime()) low = middle;
      else high = BigInt(before.message_id);
    }
    const found = String(high);
    await this.jumpTo(found);
    return found;
  }

  /** Returns true while messages are on their way. */
  get isSending(): boolean {
    return this.state.get().status !== 'failed' && this.outbox.drafts.some(({ state }) => state === 'sending');
  }

  /** Sends a message. It is shown at once as a draft. */
  async send(body: string, replyTo?: string): Promise<string> {
    if (this.window.hasLater) await this.jumpToNewest();
    this.firstUnread = undefined;
    return this.outbox.send(body, replyTo);
  }

  retry(key: string): Promise<void> {
    return this.outbox.retry(key);
  }

  discard(key: string): Promise<void> {
    return this.outbox.discard(key);
  }

  /** Adds the own reaction, or removes it. It is shown at once. */
  async react(messageId: string, emoji: string): Promise<void> {
    const { client, userId } = this.context;
    const has = this.window.find(messageId)?.reactions[emoji]?.includes(userId) ?? false;
    const set = (on: boolean) => {
      this.window.change(messageId, (message) => withReaction(message, emoji, userId, on));
      this.show();
    };
    set(!has);
    const params = { room: this.roomId, message: messageId, emoji };
    try {
      await (has ? client.api.removeReaction(params) : client.api.addReaction(params));
    } catch (error) {
      set(has);
      throw error;
    }
  }

  /** Marks all messages up to this one as read. Calls within a second are joined. */
  markRead(messageId: string): void {
    if (!isLater(messageId, this.readUpTo)) return;
    this.readUpTo = messageId;
    this.markerTimer ??= setTimeout(() => {
      this.markerTimer = undefined;
      const body = { message_id: this.readUpTo as string };
      void this.context.client.api.moveReadMarker({ room: this.roomId, body }).catch(() => {});
    }, MARKER_MS);
  }

  /** Tells the others that the user is typing. */
  tellTyping(): void {
    this.context.client.live.typing(this.roomId);
  }

  find(messageId: string): ChatMessage | undefined {
    return this.window.find(messageId);
  }

  onEvent(event: RoomEvent): void {
    if (event.v <= this.lastV) return;
    this.lastV = event.v;
    if (event.command_id !== undefined) void this.outbox.remove(event.command_id);
    this.note(event);
    this.apply(event);
    this.show();
    this.checkBehind();
  }

  onSubscribed({ head_v, recovered }: Items['subscribed']): void {
    if (!recovered && head_v !== this.lastV && this.state.get().place === 'inside') {
      void this.open();
      return;
    }
    this.headV = Math.max(this.headV, head_v);
    this.checkBehind();
  }

  onReset({ reason, head_v }: Items['reset']): void {
    if (reason === 'no-longer-inside') this.lastV = head_v;
    else void this.open();
  }

  onEnded({ reason }: Items['ended']): void {
    if (reason.kind === 'requested') return;
    const { place } = this.state.get();
    const code = reason.kind === 'refused' ? reason.code : reason.reason;
    const next: Place =
      place !== 'inside' ? place : /kick/.test(code) ? 'kicked' : /clos/.test(code) ? 'closed' : 'left';
    this.state.update({ place: next, behind: false });
    this.context.onBehind();
  }

  onSignal(signal: Items['signal']): void {
    this.presence.onSignal(signal);
    if (signal.kind === 'presence') this.context.names.want(signal.users);
  }

  onDisconnected(): void {
    if (this.state.get().place === 'inside') this.state.update({ behind: true });
    this.presence.onDisconnected();
  }

  /** Removes the texts of an erased user. */
  erase(author: string): void {
    this.window.erase(author);
    this.show();
  }

  close(): void {
    this.closed = true;
    this.outbox.close();
    this.presence.close();
    this.context.client.live.unsubscribe(this.roomId);
  }

  private apply(event: RoomEvent): void {
    const { userId, names } = this.context;
    if (isEvent(event, 'message_posted')) {
      const { author } = event.data;
      names.want([author]);
      this.presence.stopTyping(author);
    } else if (isEvent(event, 'member_joined')) {
      const { user_id, nickname } = event.data;
      names.learn([{ user_id, nickname: nickname ?? null }]);
    }
    this.window.apply(event, userId);
    const changes = detailsAfter(event, this.state.get(), userId);
    if (Object.keys(changes).length > 0) this.state.update(changes);
  }

  private note(event: RoomEvent): void {
    const notices = withNotice(this.notices, event);
    if (notices === this.notices) return;
    this.notices = notices;
    const { user_id, to, from } = event.data as Record<string, unknown>;
    this.context.names.want([event.by, user_id, to, from].filter((user) => typeof user === 'string'));
  }

  private checkBehind(): void {
    const behind = this.lastV < this.headV && this.state.get().place === 'inside';
    if (this.state.get().behind !== behind) this.state.update({ behind });
    this.context.onBehind();
  }

  private findFirstUnread(): void {
    const { userId } = this.context;
    if (this.firstUnread !== undefined || this.readUpTo === undefined) return;
    const unread = this.window.messages.find(
      ({ message_id, author, deleted }) => isLater(message_id, this.readUpTo) && author !== userId && !deleted,
    );
    this.firstUnread = unread?.message_id;
  }

  private async readMembers(isClosed: boolean): Promise<MemberView[]> {
    const members: MemberView[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.context.client.api
        .listMembers({ room: this.roomId, limit: 200, ...(cursor === undefined ? {} : { cursor }) })
        .catch((error: unknown) => {
          // A closed room has messages, and need not have members.
          if (isClosed && error instanceof Problem) return { items: [], next: null };
          throw error;
        });
      members.push(...page.items);
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    return members.sort((a, b) => a.joined_at.localeCompare(b.joined_at));
  }

  private async page(query: { before?: string; after?: string; around?: string; limit: number }) {
    const page = await this.context.client.api.listMessages({ room: this.roomId, ...query });
    this.context.names.want(page.items.map(({ author }) => author));
    return page;
  }

  private async load(what: 'earlier' | 'later' | 'jump', read: () => Promise<() => void>): Promise<void> {
    this.loading = what;
    const { epoch } = this;
    this.show();
    try {
      const apply = await read();
      if (epoch === this.epoch && !this.closed) apply();
    } finally {
      if (epoch === this.epoch) this.loading = undefined;
      this.show();
    }
  }

  private show(): void {
    this.messages.set(this.shown());
  }

  private shown(): MessagesState {
    const { messages, hasEarlier, hasLater, newBelow } = this.window;
    const { notices, loading, firstUnread } = this;
    return { messages, notices, drafts: this.outbox.drafts, hasEarlier, hasLater, loading, newBelow, firstUnread };
  }
}
