/** The rows of a conversation: days, messages, notices, and messages that are being sent. */

import { isLater, type ChatMessage, type MessagesState, type Notice } from '@boxroom/react';
import { dayKey } from '../../lib/time.js';

type Draft = MessagesState['drafts'][number];

/** A row of the conversation. */
export type Row = { key: string } & (
  | { kind: 'beginning' }
  | { kind: 'day'; at: string }
  | { kind: 'unread' }
  | { kind: 'notice'; notice: Notice }
  /** `isFirst`: the first of several messages of an author in a row. */
  | { kind: 'message'; message: ChatMessage; isFirst: boolean }
  | { kind: 'draft'; draft: Draft; isFirst: boolean }
);

/** The time after which the name of an author is shown again, in milliseconds. */
const GROUP_MS = 5 * 60_000;

/** Returns the rows, the oldest first. */
export function rowsOf(state: MessagesState, userId: string): Row[] {
  const { messages, notices, drafts, hasEarlier, hasLater, firstUnread } = state;
  const rows: Row[] = [];
  if (!hasEarlier && !hasLater) rows.push({ key: 'beginning', kind: 'beginning' });
  let day = '';
  let last: { author: string; at: number } | undefined;
  const begin = (at: string) => {
    const next = dayKey(at);
    if (next === day) return;
    day = next;
    last = undefined;
    rows.push({ key: `day ${next}`, kind: 'day', at });
  };
  const isFirst = (author: string, at: number) => {
    const isNew = last?.author !== author || at - last.at > GROUP_MS;
    last = { author, at };
    return isNew;
  };
  // Notices before the first message of the window belong to earlier pages.
  const since = hasEarlier ? (messages[0]?.posted_at ?? '') : '';
  const until = hasLater ? (messages.at(-1)?.posted_at ?? '') : '9999';
  const shown = notices.filter(({ at }) => at >= since && at <= until);
  let next = 0;
  const noticesUntil = (at: string) => {
    for (let notice = shown[next]; notice && notice.at <= at; notice = shown[next]) {
      begin(notice.at);
      rows.push({ key: `notice ${notice.v}`, kind: 'notice', notice });
      last = undefined;
      next += 1;
    }
  };
  for (const message of messages) {
    noticesUntil(message.posted_at);
    begin(message.posted_at);
    if (message.message_id === firstUnread) {
      rows.push({ key: 'unread', kind: 'unread' });
      last = undefined;
    }
    const first = isFirst(message.author, Date.parse(message.posted_at)) || message.reply_to !== null;
    rows.push({ key: message.message_id, kind: 'message', message, isFirst: first });
  }
  noticesUntil(until);
  if (!hasLater) {
    for (const draft of drafts) {
      begin(new Date(draft.created_at).toISOString());
      rows.push({ key: draft.key, kind: 'draft', draft, isFirst: isFirst(userId, draft.created_at) });
    }
  }
  return rows;
}

/** Returns the last message by the user that others can have seen. */
export function lastOwn(messages: readonly ChatMessage[], userId: string): string | undefined {
  for (let index = messages.length - 1; index >= 0; index -= 1) {
    const message = messages[index];
    if (message?.author === userId && !message.deleted) return message.message_id;
  }
  return undefined;
}

/** Returns the members who have marked a message as read. */
export function readersOf(
  messageId: string,
  author: string,
  markers: Readonly<Record<string, string>>,
  userId: string,
): string[] {
  return Object.entries(markers)
    .filter(([user, marker]) => user !== author && user !== userId && !isLater(messageId, marker))
    .map(([user]) => user);
}
