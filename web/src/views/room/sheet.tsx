/** The actions on one message. */

import {
  useBlocks,
  useBoxroom,
  useChat,
  useNames,
  usePresence,
  type ChatMessage,
  type MessageActions,
  type RoomState,
} from '@boxroom/react';
import { useState } from 'react';
import { useAction } from '../../lib/hooks.js';
import { useWords } from '../../texts/index.js';
import { Confirm, Dialog } from '../../ui/parts.js';
import { toast } from '../../ui/toasts.js';
import { messageTitle } from './conversation.js';
import { ReportDialog } from './report.js';
import { readersOf } from './rows.js';

/** The reactions to choose from. */
const EMOJI = ['👍', '❤️', '😂', '😮', '😢', '🎉', '🙏', '🍕', '🍜', '✅'];

/** The actions on a message. */
export function MessageSheet({
  roomId,
  message,
  room,
  messages,
  onReply,
  onEdit,
  onClose,
}: {
  roomId: string;
  message: ChatMessage;
  room: RoomState & { me: { co_host: boolean; host: boolean } | undefined };
  messages: MessageActions;
  onReply: () => void;
  onEdit: () => void;
  onClose: () => void;
}) {
  const words = useWords();
  const { t } = words;
  const client = useBoxroom();
  const { userId } = useChat();
  const nameOf = useNames();
  const blocks = useBlocks();
  const { markers } = usePresence(roomId);
  const { run } = useAction(true);
  const [asked, setAsked] = useState<'delete' | 'report' | 'block'>();
  const name = nameOf(message.author);
  const shownName = name ?? t('unknown_user');
  const isOwn = message.author === userId;
  const isInside = room.place === 'inside';
  const leads = room.me?.host === true || room.me?.co_host === true;
  const isPinned = room.card?.pinned?.includes(message.message_id) ?? false;
  const readers = readersOf(message.message_id, message.author, markers, userId);
  const params = { room: roomId, message: message.message_id };
  const act = (work: () => Promise<unknown>) => {
    onClose();
    void run(work);
  };
  const isLive = !message.deleted && !message.erased;
  if (asked === 'report') return <ReportDialog roomId={roomId} message={message} onClose={onClose} />;
  if (asked === 'delete') {
    return (
      <Confirm
        title={t('delete_ask')}
        action={t('delete')}
        onClose={onClose}
        onConfirm={() => void run(() => messages.remove(message.message_id))}
      />
    );
  }
  if (asked === 'block') {
    return (
      <Confirm
        title={t('block_ask', { name: shownName })}
        action={t('block')}
        onClose={onClose}
        onConfirm={() => void run(() => client.api.blockUser({ user: message.author }))}
      />
    );
  }
  return (
    <Dialog title={messageTitle(message, name, words)} onClose={onClose} className="sheet">
      {isInside && isLive && (
        <div className="emoji-row" role="group" aria-label={t('react')}>
          {EMOJI.map((emoji) => (
            <button
              key={emoji}
              type="button"
              className="emoji"
              aria-label={`${t('react')}: ${emoji}`}
              aria-pressed={message.reactions[emoji]?.includes(userId) ?? false}
              onClick={() => act(() => messages.react(message.message_id, emoji))}
            >
              {emoji}
            </button>
          ))}
        </div>
      )}
      <ul className="menu">
        {isInside && isLive && (
          <Entry
            label={t('reply')}
            onClick={() => {
              onClose();
              onReply();
            }}
          />
        )}
        {isLive && (
          <Entry
            label={t('copy')}
            onClick={() =>
              act(async () => {
                await navigator.clipboard.writeText(message.body ?? '');
                toast(t('copied'));
              })
            }
          />
        )}
        {isInside && isOwn && isLive && (
          <Entry
            label={t('edit')}
            onClick={() => {
              onClose();
              onEdit();
            }}
          />
        )}
        {isInside && leads && isLive && (
          <Entry
            label={t(isPinned ? 'unpin' : 'pin')}
            onClick={() => act(() => (isPinned ? client.api.unpinMessage(params) : client.api.pinMessage(params)))}
          />
        )}
        {isInside && !message.deleted && (isOwn || leads) && (
          <Entry label={t('delete')} isDanger onClick={() => setAsked('delete')} />
        )}
        {!isOwn && <Entry label={t('report_message')} isDanger onClick={() => setAsked('report')} />}
        {!isOwn &&
          !message.erased &&
          (blocks.has(message.author) ? (
            <Entry label={t('unblock')} onClick={() => act(() => client.api.unblockUser({ user: message.author }))} />
          ) : (
            <Entry label={`${t('block')}: ${shownName}`} isDanger onClick={() => setAsked('block')} />
          ))}
      </ul>
      <p className="small quiet seen-names">
        {readers.length === 0
          ? t('seen_none')
          : t('seen_names', { names: readers.map((user) => nameOf(user) ?? t('unknown_user')).join(', ') })}
      </p>
    </Dialog>
  );
}

function Entry({ label, onClick, isDanger = false }: { label: string; onClick: () => void; isDanger?: boolean }) {
  return (
    <li>
      <button type="button" className={isDanger ? 'menu-entry is-danger' : 'menu-entry'} onClick={onClick}>
        {label}
      </button>
    </li>
  );
}
