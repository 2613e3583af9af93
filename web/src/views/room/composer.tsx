/** The field for a new message. */

import { useChat, useNames, usePresence, type ChatMessage, type MemberView } from '@boxroom/react';
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { hasPointer, useNow } from '../../lib/hooks.js';
import { begun, setBegun } from '../../lib/preferences.js';
import { timeOf } from '../../lib/time.js';
import { useWords } from '../../texts/index.js';
import { Avatar, Icon, IconButton } from '../../ui/parts.js';

/** The number of members that the list of mentions shows. */
const SUGGESTIONS = 6;

/** The length of a message that the service takes. */
const MAX_LENGTH = 4000;

/** The message that is being answered or changed. */
export type Attached = { kind: 'reply' | 'edit'; message: ChatMessage } | undefined;

/** The field. */
export function Composer({
  roomId,
  members,
  me,
  isHost,
  slowSeconds,
  attached,
  onDetach,
  onSend,
  onEdit,
}: {
  roomId: string;
  members: readonly MemberView[];
  me: MemberView | undefined;
  isHost: boolean;
  slowSeconds: number;
  attached: Attached;
  onDetach: () => void;
  onSend: (body: string, replyTo: string | undefined) => void;
  onEdit: (message: ChatMessage, body: string) => void;
}) {
  const { t, n, language } = useWords();
  const { userId } = useChat();
  const nameOf = useNames();
  const { tellTyping } = usePresence(roomId);
  const [body, setBody] = useState(() => begun(userId, roomId).body);
  const [caret, setCaret] = useState(0);
  const [choice, setChoice] = useState(0);
  const [isDismissed, setDismissed] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const now = useNow(10_000);
  const kept = useRef(body);

  useEffect(() => {
    // The user has just opened the room, and is doing nothing else.
    const isIdle = document.activeElement?.matches('body, main') ?? true;
    if (isIdle && hasPointer()) field.current?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    if (attached?.kind === 'edit') {
      setBody((current) => {
        kept.current = current;
        return attached.message.body ?? '';
      });
    } else if (attached === undefined) setBody(kept.current);
    if (attached) field.current?.focus();
  }, [attached]);
  useEffect(() => {
    if (attached?.kind === 'edit') return;
    kept.current = body;
    const replyTo = attached?.message.message_id;
    setBegun(userId, roomId, replyTo === undefined ? { body } : { body, replyTo });
  }, [body, attached, userId, roomId]);
  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = 'auto';
    element.style.height = `${Math.min(element.scrollHeight + 2, 180)}px`;
  }, [body]);

  const word = /(?:^|[^\p{L}\p{N}_@＠])[@＠]([\p{L}\p{N}_-]*)$/u.exec(body.slice(0, caret))?.[1]?.toLowerCase();
  const suggestions = useMemo(() => {
    if (word === undefined) return [];
    const found = members
      .filter(({ user_id }) => user_id !== userId)
      .map(({ user_id, nickname }) => ({ user: user_id, name: nickname ?? user_id }))
      .filter(({ user, name }) => user.startsWith(word) || name.toLowerCase().includes(word));
    const all = isHost && 'all'.startsWith(word) ? [{ user: 'all', name: t('mention_all') }] : [];
    return [...found, ...all].slice(0, SUGGESTIONS);
  }, [word, members, userId, isHost, t]);
  const isListOpen = suggestions.length > 0 && !isDismissed;
  const chosen = Math.min(choice, suggestions.length - 1);

  const complete = (user: string) => {
    const before = body.slice(0, caret).replace(/[@＠][^@＠]*$/u, `@${user} `);
    setBody(before + body.slice(caret));
    setCaret(before.length);
    setChoice(0);
    requestAnimationFrame(() => {
      field.current?.focus();
      field.current?.setSelectionRange(before.length, before.length);
    });
  };

  const submit = () => {
    const text = body.trim();
    if (text === '') return;
    if (attached?.kind === 'edit') onEdit(attached.message, text);
    else {
      onSend(text, attached?.message.message_id);
      kept.current = '';
      setBody('');
      setBegun(userId, roomId, { body: '' });
    }
    onDetach();
    field.current?.focus();
  };

  const onKeyDown = (event: KeyboardEvent) => {
    // An unfinished syllable of an input method is not a key for the page.
    if (event.nativeEvent.isComposing) return;
    if (isListOpen) {
      const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
      if (step !== 0) {
        event.preventDefault();
        setChoice((chosen + step + suggestions.length) % suggestions.length);
        return;
      }
      if (event.key === 'Enter' || event.key === 'Tab') {
        event.preventDefault();
        complete((suggestions[chosen] as { user: string }).user);
        return;
      }
      if (event.key === 'Escape') {
        event.preventDefault();
        setDismissed(true);
        return;
      }
    }
    if (event.key === 'Enter' && !event.shiftKey && !matchMedia('(pointer: coarse)').matches) {
      event.preventDefault();
      submit();
    } else if (event.key === 'Escape' && attached) onDetach();
  };

  if (me?.muted_until != null && Date.parse(me.muted_until) > now) {
    return <p className="composer-note">{t('muted_note', { time: timeOf(language, me.muted_until) })}</p>;
  }
  const label = attached?.kind === 'edit' ? t('editing') : t('type_message');
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {attached && (
        <div className="attached">
          <Icon name={attached.kind === 'reply' ? 'reply' : 'chat'} />
          <span className="attached-text">
            <strong>
              {attached.kind === 'edit'
                ? t('editing')
                : t('reply_to', { name: nameOf(attached.message.author) ?? t('unknown_user') })}
            </strong>
            <span>{attached.message.body}</span>
          </span>
          <IconButton
            icon="close"
            label={attached.kind === 'edit' ? t('cancel_edit') : t('cancel_reply')}
            onClick={onDetach}
          />
        </div>
      )}
      {slowSeconds > 0 && !isHost && !me?.co_host && (
        <p className="composer-hint">
          <Icon name="clock" /> {n('slow_mode_note', slowSeconds)}
        </p>
      )}
      {isListOpen && (
        <ul className="suggestions" role="listbox" id={`${id}-list`} aria-label={t('mention_list')}>
          {suggestions.map(({ user, name }, index) => (
            <li
              key={user}
              id={`${id}-${index}`}
              role="option"
              aria-selected={index === chosen}
              onPointerDown={(event) => {
                event.preventDefault();
                complete(user);
              }}
            >
              <Avatar userId={user} name={name} />
              <span>{name}</span>
              <span className="quiet small">@{user}</span>
            </li>
          ))}
        </ul>
      )}
      <div className="composer-row">
        <textarea
          ref={field}
          rows={1}
          value={body}
          maxLength={MAX_LENGTH}
          aria-label={label}
          placeholder={label}
          aria-autocomplete="list"
          aria-controls={isListOpen ? `${id}-list` : undefined}
          aria-activedescendant={isListOpen ? `${id}-${chosen}` : undefined}
          enterKeyHint="send"
          dir="auto"
          onChange={(event) => {
            setBody(event.target.value);
            setCaret(event.target.selectionStart);
            setDismissed(false);
            setChoice(0);
            if (event.target.value !== '') tellTyping();
          }}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart)}
          onKeyDown={onKeyDown}
        />
        <button
          className="send-button"
          aria-label={attached?.kind === 'edit' ? t('save') : t('send')}
          disabled={body.trim() === ''}
        >
          <Icon name="send" />
        </button>
      </div>
    </form>
  );
}
