/** The conversation of a room. */

import {
  isLater,
  useBlocks,
  useBoxroom,
  useChat,
  useNames,
  usePresence,
  type ChatMessage,
  type MessageActions,
  type MessagesState,
  type Notice,
  type RoomState,
} from '@boxroom/react';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { toast } from '../../ui/toasts.js';
import { problemText } from '../../lib/problems.js';
import { dateTimeOf, dayOf, timeOf } from '../../lib/time.js';
import { closeNotifications } from '../../lib/worker.js';
import { useWords, type Words } from '../../texts/index.js';
import { Icon } from '../../ui/parts.js';
import { DraftRow, MessageRow, PlainRow, type Actions } from './message.js';
import { lastOwn, readersOf, rowsOf, type Row } from './rows.js';
import { VirtualList, type ListHandle } from './virtual-list.js';

/** The time for which a message that was jumped to is lit, in milliseconds. */
const LIT_MS = 2500;

/** The messages of a room with everything between them. */
export function Conversation({
  roomId,
  room,
  messages,
  target,
  onOpen,
}: {
  roomId: string;
  room: RoomState;
  messages: MessagesState & MessageActions;
  /** The message to show; another object shows it again. */
  target: { id: string } | undefined;
  onOpen: (message: ChatMessage) => void;
}) {
  const words = useWords();
  const { t, n, language } = words;
  const { userId } = useChat();
  const nameOf = useNames();
  const blocks = useBlocks();
  const { markers } = usePresence(roomId);
  const list = useRef<ListHandle>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  const [lit, setLit] = useState<string>();
  const waiting = useRef<string>(undefined);
  const rows = useMemo(() => rowsOf(messages, userId), [messages, userId]);
  const last = useRef<{ text: string; keys: string[] }>({ text: '', keys: [] });
  const keys = useMemo(() => {
    // The same rows are the same list.
    const next = rows.map(({ key }) => key);
    const text = next.join('\n');
    if (text !== last.current.text) last.current = { text, keys: next };
    return last.current.keys;
  }, [rows]);
  const quotes = useQuotes(roomId, rows, messages.find);
  const start = useRef(messages.firstUnread === undefined ? undefined : 'unread').current;

  const light = useCallback((id: string) => {
    setLit(id);
    setTimeout(() => setLit((current) => (current === id ? undefined : current)), LIT_MS);
  }, []);

  const { jumpTo } = messages;
  const jump = useCallback(
    async (id: string) => {
      waiting.current = id;
      try {
        if (!(await jumpTo(id))) {
          waiting.current = undefined;
          toast(words.t('problem_message_not_found'));
          return;
        }
        if (list.current?.show(id)) {
          waiting.current = undefined;
          light(id);
        }
      } catch (error) {
        waiting.current = undefined;
        toast(problemText(error, words));
      }
    },
    [jumpTo, light, words],
  );
  useEffect(() => {
    if (target) void jump(target.id);
  }, [target]);
  useEffect(() => {
    // The surroundings of the message have arrived.
    const id = waiting.current;
    if (id !== undefined && list.current?.show(id)) {
      waiting.current = undefined;
      light(id);
    }
  }, [keys, light]);

  const actions = useMemo<Actions>(
    () => ({
      open: onOpen,
      react: (id, emoji) => {
        void messages.react(id, emoji).catch((error: unknown) => toast(problemText(error, words)));
      },
      jump: (id) => void jump(id),
      retry: (key) => void messages.retry(key),
      discard: (key) => void messages.discard(key),
    }),
    [messages.react, messages.retry, messages.discard, jump, onOpen, words],
  );

  const { drafts } = messages;
  const newestDraft = drafts.at(-1)?.key;
  useEffect(() => {
    // The own message is shown at once, wherever the list was.
    if (newestDraft !== undefined) list.current?.showEnd();
  }, [newestDraft]);

  const readable = useRef(messages);
  readable.current = messages;
  const atEnd = useRef(true);
  const markRead = useCallback(() => {
    const newest = readable.current.messages.at(-1);
    if (newest && atEnd.current && !readable.current.hasLater && document.visibilityState === 'visible') {
      readable.current.markRead(newest.message_id);
      void closeNotifications(roomId).catch(() => {});
    }
  }, [roomId]);
  useEffect(markRead, [messages.messages, markRead]);
  useEffect(() => {
    document.addEventListener('visibilitychange', markRead);
    return () => document.removeEventListener('visibilitychange', markRead);
  }, [markRead]);

  const own = lastOwn(messages.messages, userId);
  const pinned = room.card?.pinned ?? [];
  const row = (index: number) => {
    const entry = rows[index] as Row;
    switch (entry.kind) {
      case 'beginning':
        return (
          <PlainRow key={entry.key} rowKey={entry.key} className="day">
            {t('beginning')}
          </PlainRow>
        );
      case 'day':
        return (
          <PlainRow key={entry.key} rowKey={entry.key} className="day">
            {dayOf(language, entry.at)}
          </PlainRow>
        );
      case 'unread':
        return (
          <PlainRow key={entry.key} rowKey={entry.key} className="unread-line">
            {t('unread_line')}
          </PlainRow>
        );
      case 'notice':
        return (
          <PlainRow key={entry.key} rowKey={entry.key} className="notice">
            {noticeText(entry.notice, words, nameOf)}
          </PlainRow>
        );
      case 'draft':
        return <DraftRow key={entry.key} draft={entry.draft} isFirst={entry.isFirst} actions={actions} />;
      case 'message': {
        const { message } = entry;
        const parent = message.reply_to === null ? undefined : quotes(message.reply_to);
        const isHidden = parent !== undefined && blocks.has(parent.author);
        return (
          <MessageRow
            key={entry.key}
            message={message}
            name={nameOf(message.author)}
            quote={message.reply_to === null ? undefined : quoteOf(parent, isHidden, words, nameOf)}
            isFirst={entry.isFirst}
            isOwn={message.author === userId}
            isBlocked={blocks.has(message.author)}
            isMentioned={message.mentions.includes(userId) || (message.mentions_all && message.author !== userId)}
            isPinned={pinned.includes(message.message_id)}
            isLit={lit === message.message_id}
            seenBy={message.message_id === own ? readersOf(own, userId, markers, userId).length : undefined}
            userId={userId}
            actions={actions}
          />
        );
      }
    }
  };
  const { newBelow, hasLater } = messages;
  return (
    <div className="conversation-place">
      <VirtualList
        ref={list}
        label={t('conversation')}
        keys={keys}
        row={row}
        start={start}
        onNearStart={() => messages.hasEarlier && void messages.loadEarlier().catch(() => {})}
        onNearEnd={() => messages.hasLater && void messages.loadLater().catch(() => {})}
        onVisible={(_, end) => {
          atEnd.current = end;
          setAtEnd(end);
          if (end) markRead();
        }}
      />
      <Announcer roomId={roomId} messages={messages} />
      {(!isAtEnd || hasLater) && (
        <button
          type="button"
          className="jump-end"
          aria-label={newBelow > 0 ? n('new_below', newBelow) : t('jump_newest')}
          onClick={() => {
            void messages.jumpToNewest().then(
              () => list.current?.showEnd(),
              (error: unknown) => toast(problemText(error, words)),
            );
          }}
        >
          <Icon name="down" />
          {newBelow > 0 && <span>{n('new_below', newBelow)}</span>}
        </button>
      )}
    </div>
  );
}

/** Reads new messages of others aloud. */
function Announcer({ roomId, messages }: { roomId: string; messages: MessagesState }) {
  const { t } = useWords();
  const { userId } = useChat();
  const blocks = useBlocks();
  const nameOf = useNames();
  const [text, setText] = useState('');
  const known = useRef<{ room: string; id: string }>(undefined);
  const newest = messages.hasLater ? undefined : messages.messages.at(-1);
  useEffect(() => {
    if (!newest) return;
    const before = known.current;
    known.current = { room: roomId, id: newest.message_id };
    if (!before || before.room !== roomId || !isLater(newest.message_id, before.id)) return;
    if (newest.author === userId || blocks.has(newest.author) || newest.body === null) return;
    setText(t('new_message_said', { name: nameOf(newest.author) ?? t('unknown_user'), text: newest.body }));
  }, [newest, roomId, userId, blocks, nameOf, t]);
  return (
    <p className="hidden" role="log" aria-live="polite">
      {text}
    </p>
  );
}

interface Quoted {
  author: string;
  body: string | null;
  deleted: boolean;
  erased: boolean;
}

function quoteOf(
  parent: Quoted | undefined,
  isHidden: boolean,
  { t }: Words,
  nameOf: (user: string) => string | null,
): { name: string | null; text: string } {
  if (!parent) return { name: '', text: t('quote_unknown') };
  const name = nameOf(parent.author);
  if (isHidden) return { name, text: t('blocked_message') };
  if (parent.deleted) return { name, text: t('deleted') };
  if (parent.erased) return { name, text: t('erased') };
  return { name, text: (parent.body ?? '').slice(0, 200) };
}

/** Returns a function that finds quoted messages: in the window, or read one by one. */
function useQuotes(roomId: string, rows: readonly Row[], find: MessageActions['find']) {
  const client = useBoxroom();
  const [read, setRead] = useState<ReadonlyMap<string, Quoted>>(new Map());
  const asked = useRef(new Set<string>());
  useEffect(() => {
    for (const row of rows) {
      const id = row.kind === 'message' ? row.message.reply_to : null;
      if (id === null || find(id) || asked.current.has(id) || asked.current.size > 500) continue;
      asked.current.add(id);
      client.api.showMessage({ room: roomId, message: id }).then(
        (message) => setRead((known) => new Map([...known, [id, message]])),
        () => {},
      );
    }
  }, [rows, find, client, roomId]);
  return (id: string): Quoted | undefined => find(id) ?? read.get(id);
}

/** Describes an event between messages. */
function noticeText({ type, by, data }: Notice, words: Words, nameOf: (user: string) => string | null): string {
  const { t, n, language, has } = words;
  const name = (user: unknown) => (typeof user === 'string' ? (nameOf(user) ?? t('unknown_user')) : '');
  if (type === 'slow_mode_set') {
    const seconds = Number(data['seconds']);
    return seconds === 0 ? t('notice_slow_mode_off') : t('notice_slow_mode_set', { span: n('seconds', seconds) });
  }
  const key = `notice_${type}`;
  if (!has(key)) return type;
  const closes = data['closes_at'];
  const step = `step_${String(data['step'])}`;
  return t(key, {
    user: name(data['user_id']),
    by: name(by),
    to: name(data['to']),
    time: typeof closes === 'string' ? timeOf(language, closes) : '',
    step: has(step) ? t(step) : '',
  });
}

/** Date and time of a message, for its actions. */
export function messageTitle(message: ChatMessage, name: string | null, { t, language }: Words): string {
  return t('message_of', { name: name ?? t('unknown_user'), time: dateTimeOf(language, message.posted_at) });
}
