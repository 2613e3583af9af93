/** A message of a conversation. */

import type { ChatMessage, MessagesState } from '@boxroom/react';
import { memo, useState, type ReactNode } from 'react';
import { isFewEmoji } from '../../lib/emoji.js';
import { codeText } from '../../lib/problems.js';
import { dateTimeOf, timeOf } from '../../lib/time.js';
import { useWords } from '../../texts/index.js';
import { Avatar, Icon, IconButton } from '../../ui/parts.js';
import { Body } from './body.js';

/** The actions on messages of a conversation. */
export interface Actions {
  open: (message: ChatMessage) => void;
  react: (messageId: string, emoji: string) => void;
  jump: (messageId: string) => void;
  retry: (key: string) => void;
  discard: (key: string) => void;
}

/** A message. Its names are given, so that it is rendered again only if something has changed. */
export const MessageRow = memo(function MessageRow({
  message,
  name,
  quote,
  isFirst,
  isOwn,
  isBlocked,
  isMentioned,
  isPinned,
  isLit,
  seenBy,
  userId,
  actions,
}: {
  message: ChatMessage;
  name: string | null;
  quote: { name: string | null; text: string } | undefined;
  isFirst: boolean;
  isOwn: boolean;
  isBlocked: boolean;
  isMentioned: boolean;
  isPinned: boolean;
  isLit: boolean;
  /** The number of readers; undefined if it is not shown. */
  seenBy: number | undefined;
  userId: string;
  actions: Actions;
}) {
  const { t, n, language } = useWords();
  const [isOpen, setOpen] = useState(false);
  const shownName = name ?? t('unknown_user');
  const classes = [
    'message',
    isOwn && 'is-own',
    isFirst && 'is-first',
    isLit && 'is-lit',
    isMentioned && 'is-mentioned',
  ];
  const hidden = isBlocked && !isOpen;
  const reactions = Object.entries(message.reactions);
  return (
    <li className={classes.filter(Boolean).join(' ')} data-key={message.message_id} data-message={message.message_id}>
      <span className="message-side">{isFirst && !isOwn && <Avatar userId={message.author} name={name} />}</span>
      <div className="message-main">
        {isFirst && !isOwn && <span className="author">{shownName}</span>}
        {isFirst && isOwn && <span className="hidden">{t('you')}</span>}
        <div className="bubble">
          {hidden ? (
            <p className="gone">
              {t('blocked_message')}{' '}
              <button type="button" className="link-button" onClick={() => setOpen(true)}>
                {t('show_anyway')}
              </button>
            </p>
          ) : (
            <>
              {quote && (
                <button type="button" className="quote" onClick={() => actions.jump(message.reply_to as string)}>
                  <span className="quote-name">{quote.name ?? t('unknown_user')}</span>
                  <span className="quote-text">{quote.text}</span>
                </button>
              )}
              {message.deleted ? (
                <p className="gone">{t('deleted')}</p>
              ) : message.erased ? (
                <p className="gone">{t('erased')}</p>
              ) : (
                <p className={isFewEmoji(message.body ?? '') ? 'text is-emoji' : 'text'} dir="auto">
                  <Body message={message} />
                </p>
              )}
              {isBlocked && (
                <button type="button" className="link-button" onClick={() => setOpen(false)}>
                  {t('hide_again')}
                </button>
              )}
            </>
          )}
          <span className="meta">
            {isPinned && <Icon name="pin" />}
            {message.edited_at && !message.deleted && <span>{t('edited')}</span>}
            <time dateTime={message.posted_at} title={dateTimeOf(language, message.posted_at)}>
              {timeOf(language, message.posted_at)}
            </time>
          </span>
          {!hidden && (
            <IconButton
              icon="more"
              className="message-more"
              label={t('message_actions', { name: shownName })}
              aria-haspopup="dialog"
              onClick={() => actions.open(message)}
            />
          )}
        </div>
        {reactions.length > 0 && !hidden && (
          <div className="reactions">
            {reactions.map(([emoji, users]) => (
              <button
                key={emoji}
                type="button"
                className="reaction"
                aria-pressed={users.includes(userId)}
                aria-label={n('reaction', users.length, { emoji })}
                onClick={() => actions.react(message.message_id, emoji)}
              >
                <span aria-hidden="true">{emoji}</span> <span aria-hidden="true">{users.length}</span>
              </button>
            ))}
          </div>
        )}
        {seenBy !== undefined && seenBy > 0 && <span className="seen">{n('seen_by', seenBy)}</span>}
      </div>
    </li>
  );
});

/** A message that is being sent, or was not sent. */
export function DraftRow({
  draft,
  isFirst,
  actions,
}: {
  draft: MessagesState['drafts'][number];
  isFirst: boolean;
  actions: Actions;
}) {
  const words = useWords();
  const { t } = words;
  const isFailed = draft.state === 'failed';
  const isHeld = draft.state === 'held';
  return (
    <li
      className={`message is-own is-draft ${isFirst ? 'is-first' : ''}`}
      data-key={draft.key}
      data-draft={draft.state}
    >
      <span className="message-side" />
      <div className="message-main">
        <div className={`bubble ${isFailed ? 'is-failed' : ''}`}>
          <p className="text" dir="auto">
            {draft.body}
          </p>
          <span className="meta">
            {draft.state === 'failed'
              ? t('failed', { reason: codeText(draft.code ?? '', words) })
              : t(draft.state)}
          </span>
        </div>
        {(isFailed || isHeld) && (
          <div className="row end">
            {isFailed && (
              <button type="button" className="button small" onClick={() => actions.retry(draft.key)}>
                {t('retry')}
              </button>
            )}
            <button type="button" className="button small" onClick={() => actions.discard(draft.key)}>
              {t('discard')}
            </button>
          </div>
        )}
      </div>
    </li>
  );
}

/** A row between messages. */
export function PlainRow({ rowKey, className, children }: { rowKey: string; className: string; children: ReactNode }) {
  return (
    <li className={className} data-key={rowKey}>
      <span>{children}</span>
    </li>
  );
}
