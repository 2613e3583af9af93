/** The state of a room, folded from its events. */

import { isEvent, type RoomEvent } from '../live/items.js';

/** A message of a room. */
export interface Message {
  message_id: string;
  author: string;
  /** The text; null if the message was deleted. */
  body: string | null;
  posted_at: string;
  edited_at: string | undefined;
  deleted: boolean;
  /** True if the author was erased, and the text with them. */
  erased: boolean;
  reply_to: string | null;
  mentions: readonly string[];
  mentions_all: boolean;
  /** The users who reacted, by emoji, in the order of their reactions. */
  reactions: ReadonlyMap<string, readonly string[]>;
}

/** What is known of a room. Fields are absent until an event or the card of the room has told them. */
export interface RoomInfo {
  title?: string;
  /** True if the user who gave the title was erased, and the title with them. */
  title_erased?: boolean;
  host?: string;
  step?: string;
  closes_at?: string;
  closed?: boolean;
  /** The ids of the pinned messages, the oldest pin first. */
  pinned?: readonly string[];
}

/** A member of a room. */
export interface Member {
  user_id: string;
  nickname: string | null;
}

/** The members and the card of a room at some time, for rooms whose first events are not known. */
export interface Snapshot {
  members: readonly Member[];
  info: RoomInfo;
}

/** The text of erased messages and titles. */
const ERASED = '[erased]';

/** The state of a room. Events of unknown types change nothing. */
export class Fold {
  readonly info: RoomInfo;
  /** The messages by their ids, the oldest first. */
  readonly messages = new Map<string, Message>();
  private readonly inside: Map<string, Member>;
  /** The ids of deleted messages, also of those that were posted before the first known event. */
  private readonly deleted = new Set<string>();

  /** Folds consecutive events. The snapshot may be newer than some of them: each user's last event decides. */
  constructor(snapshot: Snapshot | undefined, events: Iterable<RoomEvent>) {
    this.info = { ...snapshot?.info };
    this.inside = new Map(snapshot?.members.map((member) => [member.user_id, member]));
    for (const event of events) this.apply(event);
  }

  /** The members, in the order in which they joined. */
  get members(): Member[] {
    return [...this.inside.values()];
  }

  /** Applies the next event. */
  apply(event: RoomEvent): void {
    if (isEvent(event, 'message_posted')) this.onPosted(event);
    else if (isEvent(event, 'message_edited')) {
      const { message_id, body, erased, mentions, mentions_all } = event.data;
      this.change(message_id, (message) =>
        message.deleted ? message : { ...message, body, erased, mentions, mentions_all, edited_at: event.at },
      );
    } else if (isEvent(event, 'message_deleted')) {
      this.unpin(event.data.message_id);
      this.deleted.add(event.data.message_id);
      const gone = { body: null, deleted: true, mentions: [], reactions: new Map() };
      this.change(event.data.message_id, (message) => ({ ...message, ...gone }));
    } else if (isEvent(event, 'reaction_added')) {
      const { message_id, emoji, user_id } = event.data;
      this.react(message_id, emoji, (users) => [...users.filter((user) => user !== user_id), user_id]);
    } else if (isEvent(event, 'reaction_removed')) {
      const { message_id, emoji, user_id } = event.data;
      this.react(message_id, emoji, (users) => users.filter((user) => user !== user_id));
    } else if (isEvent(event, 'message_pinned')) {
      const { message_id, replaced } = event.data;
      if (replaced != null) this.unpin(replaced);
      this.unpin(message_id);
      // The deletion was faster: the message is not pinned.
      if (!this.isDeleted(message_id)) this.info.pinned = [...(this.info.pinned ?? []), message_id];
    } else if (isEvent(event, 'message_unpinned')) this.unpin(event.data.message_id);
    else this.onRoomEvent(event);
  }

  private onPosted(event: RoomEvent & { data: { message_id: string } }): void {
    const { message_id, author, body, erased, reply_to, mentions, mentions_all } = (event as PostedEvent).data;
    this.messages.set(message_id, {
      message_id,
      author,
      body,
      erased,
      reply_to,
      mentions,
      mentions_all,
      posted_at: event.at,
      edited_at: undefined,
      deleted: body === null,
      reactions: new Map(),
    });
  }

  private onRoomEvent(event: RoomEvent): void {
    if (isEvent(event, 'room_opened')) {
      const { title, title_erased, host, closes_at } = event.data;
      // The card may be newer.
      Object.assign(this.info, { host, closes_at, ...this.info, title, title_erased });
      if (!this.inside.has(host)) this.inside.set(host, { user_id: host, nickname: null });
    } else if (isEvent(event, 'member_joined')) {
      const { user_id, nickname } = event.data;
      this.inside.delete(user_id);
      this.inside.set(user_id, { user_id, nickname: nickname ?? null });
    } else if (isEvent(event, 'member_left') || isEvent(event, 'member_kicked')) this.inside.delete(event.data.user_id);
    else if (isEvent(event, 'host_transferred')) this.info.host = event.data.to;
    else if (isEvent(event, 'step_advanced')) this.info.step = event.data.step;
    else if (isEvent(event, 'room_extended')) this.info.closes_at = event.data.closes_at;
    else if (isEvent(event, 'room_closed')) this.info.closed = true;
    else if (isEvent(event, 'room_changed')) {
      const { title, title_erased } = event.data;
      if (title !== undefined) Object.assign(this.info, { title, title_erased });
    }
  }

  private isDeleted(id: string): boolean {
    return this.deleted.has(id) || this.messages.get(id)?.deleted === true;
  }

  private unpin(id: string): void {
    if (this.info.pinned) this.info.pinned = this.info.pinned.filter((pinned) => pinned !== id);
  }

  /** Changes a message. One that was posted before the first known event is left out. */
  private change(id: string, change: (message: Message) => Message): void {
    const message = this.messages.get(id);
    if (message) this.messages.set(id, change(message));
  }

  private react(id: string, emoji: string, change: (users: readonly string[]) => readonly string[]): void {
    this.change(id, (message) => {
      const users = change(message.reactions.get(emoji) ?? []);
      const reactions = new Map(message.reactions);
      if (users.length > 0) reactions.set(emoji, users);
      else reactions.delete(emoji);
      return { ...message, reactions };
    });
  }
}

interface PostedEvent {
  data: Pick<Message, 'message_id' | 'author' | 'body' | 'erased' | 'reply_to' | 'mentions' | 'mentions_all'>;
}

/**
 * Returns the event without the texts of an erased user: those of messages, the titles that the user gave, and the
 * nickname. It equals the event that the service returns from the erasure on.
 */
export function withoutTexts(event: RoomEvent, user: string): RoomEvent {
  const change = (data: object): RoomEvent => ({ ...event, data: { ...(event.data as object), ...data } });
  if (isEvent(event, 'message_posted') || isEvent(event, 'message_edited')) {
    const { body, erased } = event.data;
    const author = isEvent(event, 'message_posted') ? event.data.author : event.by;
    if (author !== user || erased) return event;
    return change({ erased: true, ...(body === null ? {} : { body: ERASED, mentions: [], mentions_all: false }) });
  }
  if (isEvent(event, 'room_opened') || isEvent(event, 'room_changed')) {
    const { title, title_erased } = event.data;
    const giver = isEvent(event, 'room_opened') ? event.data.host : event.by;
    if (giver !== user || title === undefined || title_erased) return event;
    return change({ title: ERASED, title_erased: true });
  }
  if (isEvent(event, 'member_joined') && event.data.user_id === user) {
    return event.data.nickname === null ? event : change({ nickname: null });
  }
  return event;
}

/** Returns the event without the text of a deleted message, as the service returns it from the deletion on. */
export function withoutMessage(event: RoomEvent, messageId: string): RoomEvent {
  if (!isEvent(event, 'message_posted') && !isEvent(event, 'message_edited')) return event;
  const { message_id, body } = event.data;
  if (message_id !== messageId || body === null) return event;
  return { ...event, data: { ...event.data, body: null, mentions: [], mentions_all: false } };
}

/**
 * Returns the snapshot without the nickname of an erased user, and without the title: the user may have given it. The
 * next snapshot has the title again.
 */
export function snapshotWithoutUser({ members, info }: Snapshot, user: string): Snapshot {
  const { title, title_erased, ...rest } = info;
  const kept = title_erased && title !== undefined ? { title, title_erased } : {};
  return {
    members: members.map((member) => (member.user_id === user ? { ...member, nickname: null } : member)),
    info: { ...rest, ...kept },
  };
}
