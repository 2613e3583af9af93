/** A window of consecutive messages of a room. */

import { isEvent, type RoomEvent } from '@boxroom/client';
import { compareIds, isLater } from './ids.js';
import type { ChatMessage, MessageView } from './types.js';

/** The number of messages of a page. */
export const PAGE = 50;

/** The number of new messages that are kept while the window is away from the end. */
const MAX_TAIL = 200;

/** Consecutive messages, the oldest first. Unless `hasLater`, the window includes the newest message. */
export class MessageWindow {
  messages: readonly ChatMessage[] = [];
  hasEarlier = false;
  hasLater = false;
  /** The number of messages by others after the window that have arrived since it left the end. */
  newBelow = 0;
  /** New messages that have arrived while the window is away from the end. */
  private tail: readonly ChatMessage[] = [];

  get first(): ChatMessage | undefined {
    return this.messages[0];
  }

  get last(): ChatMessage | undefined {
    return this.messages.at(-1);
  }

  find(id: string): ChatMessage | undefined {
    const index = this.indexOf(id);
    return index < 0 ? this.tail.find(({ message_id }) => message_id === id) : this.messages[index];
  }

  has(id: string): boolean {
    return this.indexOf(id) >= 0;
  }

  /** Shows other messages. `hasLater` tells that there are messages after them. */
  replace(views: readonly MessageView[], hasEarlier: boolean, hasLater: boolean): void {
    this.messages = ordered(views);
    this.hasEarlier = hasEarlier;
    this.hasLater = hasLater;
    if (!hasLater) this.joinTail();
  }

  prepend(views: readonly MessageView[], hasEarlier: boolean): void {
    const { first } = this;
    const earlier = ordered(views).filter(({ message_id }) => !first || compareIds(message_id, first.message_id) < 0);
    if (earlier.length > 0) this.messages = [...earlier, ...this.messages];
    this.hasEarlier = hasEarlier;
  }

  append(views: readonly MessageView[], hasLater: boolean): void {
    const later = ordered(views).filter(({ message_id }) => isLater(message_id, this.last?.message_id));
    if (later.length > 0) this.messages = [...this.messages, ...later];
    this.hasLater = hasLater;
    if (!hasLater) this.joinTail();
  }

  /** Adds a new message. */
  post(message: ChatMessage, isOwn: boolean): void {
    if (!this.hasLater) {
      if (isLater(message.message_id, this.last?.message_id)) this.messages = [...this.messages, message];
      return;
    }
    if (!isLater(message.message_id, this.tail.at(-1)?.message_id ?? this.last?.message_id)) return;
    this.tail = [...this.tail, message].slice(-MAX_TAIL);
    if (!isOwn) this.newBelow += 1;
  }

  /** Applies an event of the room. */
  apply(event: RoomEvent, userId: string): void {
    if (isEvent(event, 'message_posted')) {
      const { message_id, author, body, erased, reply_to, mentions, mentions_all } = event.data;
      const posted = { message_id, author, body, erased, reply_to, mentions, mentions_all, posted_at: event.at };
      this.post({ ...posted, deleted: body === null, reactions: {} }, author === userId);
    } else if (isEvent(event, 'message_edited')) {
      const { message_id, body, erased, mentions, mentions_all } = event.data;
      const edit = { body, erased, mentions, mentions_all, edited_at: event.at };
      this.change(message_id, (message) => (message.deleted ? message : { ...message, ...edit }));
    } else if (isEvent(event, 'message_deleted')) {
      const gone = { body: null, deleted: true, mentions: [], reactions: {} };
      this.change(event.data.message_id, (message) => ({ ...message, ...gone }));
    } else if (isEvent(event, 'reaction_added') || isEvent(event, 'reaction_removed')) {
      const { message_id, emoji, user_id } = event.data;
      const isAdded = event.type === 'reaction_added';
      this.change(message_id, (message) => withReaction(message, emoji, user_id, isAdded));
    }
  }

  /** Changes a message, if it is known. */
  change(id: string, change: (message: ChatMessage) => ChatMessage): void {
    const index = this.indexOf(id);
    if (index >= 0) {
      const messages = [...this.messages];
      messages[index] = change(messages[index] as ChatMessage);
      this.messages = messages;
    } else if (this.tail.length > 0) {
      this.tail = this.tail.map((message) => (message.message_id === id ? change(message) : message));
    }
  }

  /** Removes the texts of an erased author. */
  erase(author: string): void {
    const gone = { body: '[erased]', erased: true, mentions: [], mentions_all: false };
    const apply = (message: ChatMessage) =>
      message.author !== author || message.deleted ? message : { ...message, ...gone };
    this.messages = this.messages.map(apply);
    this.tail = this.tail.map(apply);
  }

  private joinTail(): void {
    // Messages before the tail were dropped if it is full: the page that was read includes them.
    const later = this.tail.filter(({ message_id }) => isLater(message_id, this.last?.message_id));
    if (later.length > 0) this.messages = [...this.messages, ...later];
    this.tail = [];
    this.newBelow = 0;
  }

  private indexOf(id: string): number {
    let low = 0;
    let high = this.messages.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const order = compareIds((this.messages[middle] as ChatMessage).message_id, id);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}

function ordered(views: readonly MessageView[]): ChatMessage[] {
  return views.map(messageOf).sort((a, b) => compareIds(a.message_id, b.message_id));
}

/** Converts a message of the service. */
export function messageOf(view: MessageView): ChatMessage {
  const { message_id, author, body, posted_at, edited_at, deleted, erased, reply_to, mentions, mentions_all } = view;
  return {
    message_id,
    author,
    body,
    posted_at,
    ...(edited_at == null ? {} : { edited_at }),
    deleted,
    erased,
    reply_to,
    mentions,
    mentions_all,
    reactions: view.reactions,
  };
}

/** Returns the message with or without the reaction of a user. */
export function withReaction(message: ChatMessage, emoji: string, user: string, isAdded: boolean): ChatMessage {
  const users = message.reactions[emoji] ?? [];
  if (users.includes(user) === isAdded || message.deleted) return message;
  const next = isAdded ? [...users, user] : users.filter((other) => other !== user);
  const { [emoji]: _, ...rest } = message.reactions;
  return { ...message, reactions: next.length === 0 ? rest : { ...message.reactions, [emoji]: next } };
}
