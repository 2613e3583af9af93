/** A room: its conversation, and what surrounds it. */

import {
  useChat,
  useMessages,
  useNames,
  usePresence,
  useRoom,
  type ChatMessage,
  type MessageActions,
  type MessagesState,
} from '@boxroom/react';
import { lazy, Suspense, useCallback, useEffect, useRef, useState } from 'react';
import { useAction, useIsWide, useLoad, useNow, useTitle } from '../../lib/hooks.js';
import { begun } from '../../lib/preferences.js';
import { codeText } from '../../lib/problems.js';
import { go, hrefOf } from '../../lib/router.js';
import { spanOf } from '../../lib/time.js';
import { useWords } from '../../texts/index.js';
import { ConnectionMark } from '../../ui/connection.js';
import { Dialog, Empty, Icon, IconButton, Loading } from '../../ui/parts.js';
import { Composer, type Attached } from './composer.js';
import { Conversation } from './conversation.js';

const About = lazy(() => import('./about.js').then((view) => ({ default: view.About })));
const Search = lazy(() => import('./search.js').then((view) => ({ default: view.Search })));
const Pins = lazy(() => import('./search.js').then((view) => ({ default: view.Pins })));
const DateJump = lazy(() => import('./search.js').then((view) => ({ default: view.DateJump })));
const MessageSheet = lazy(() => import('./sheet.js').then((view) => ({ default: view.MessageSheet })));

type Panel = 'about' | 'search' | 'pins' | 'date' | undefined;

/** The room of the route. */
export function RoomView({ roomId, messageId }: { roomId: string; messageId: string | undefined }) {
  const words = useWords();
  const { t } = words;
  const room = useRoom(roomId);
  const messages = useMessages(roomId);
  useTitle(room.card?.title);
  const isOutside = room.status === 'failed' && ['not-a-member', 'kicked'].includes(room.code ?? '');
  useEffect(() => {
    if (isOutside) go({ name: 'join', room: roomId }, true);
  }, [isOutside, roomId]);
  if (room.status === 'failed' && !isOutside) {
    return (
      <div className="view">
        <Empty icon="chat" text={codeText(room.code ?? '', words)}>
          <button type="button" className="button" onClick={room.retry}>
            {t('retry')}
          </button>
          <a className="button" href={hrefOf({ name: 'rooms' })}>
            {t('rooms_title')}
          </a>
        </Empty>
      </div>
    );
  }
  if (room.status !== 'ready' || !hasActions(messages)) return <Loading />;
  return <Ready roomId={roomId} messageId={messageId} room={room} messages={messages} />;
}

function hasActions(messages: MessagesState & Partial<MessageActions>): messages is MessagesState & MessageActions {
  return messages.send !== undefined;
}

function Ready({
  roomId,
  messageId,
  room,
  messages,
}: {
  roomId: string;
  messageId: string | undefined;
  room: ReturnType<typeof useRoom>;
  messages: MessagesState & MessageActions;
}) {
  const { t, n } = useWords();
  const { userId } = useChat();
  const isWide = useIsWide();
  const { run } = useAction(true);
  const [panel, setPanel] = useState<Panel>();
  const [opened, setOpened] = useState<string>();
  const [attached, setAttached] = useState<Attached>();
  const [target, setTarget] = useState<{ id: string }>();
  const open = useCallback((message: ChatMessage) => setOpened(message.message_id), []);
  const detach = useCallback(() => setAttached(undefined), []);
  useEffect(() => {
    if (messageId) setTarget({ id: messageId });
  }, [messageId]);
  const isRestored = useRef(false);
  useEffect(() => {
    if (isRestored.current) return;
    isRestored.current = true;
    const replyTo = begun(userId, roomId).replyTo;
    const message = replyTo === undefined ? undefined : messages.find(replyTo);
    if (message) setAttached({ kind: 'reply', message });
  }, [messages, userId, roomId]);
  const jump = (id: string) => {
    if (!isWide) setPanel(undefined);
    setTarget({ id });
  };
  const message = opened === undefined ? undefined : messages.find(opened);
  const isInside = room.place === 'inside';
  const toggle = (next: Panel) => setPanel((current) => (current === next ? undefined : next));
  const titles = { about: t('about_room'), search: t('search_messages'), pins: t('pinned'), date: t('jump_date') };
  const content = panel && (
    <Suspense fallback={<Loading />}>
      {panel === 'about' && <About roomId={roomId} room={room} />}
      {panel === 'search' && <Search roomId={roomId} onJump={jump} />}
      {panel === 'pins' && <Pins roomId={roomId} pinned={room.card?.pinned ?? []} onJump={jump} />}
      {panel === 'date' && <DateJump messages={messages} onJump={jump} />}
    </Suspense>
  );
  const pins = room.card?.pinned?.length ?? 0;
  return (
    <div className={`room ${panel && isWide ? 'has-panel' : ''}`}>
      <Header roomId={roomId} room={room} isWide={isWide} panel={panel} onPanel={toggle} />
      <div className="room-main">
        {pins > 0 && (
          <button type="button" className="pin-bar" onClick={() => toggle('pins')}>
            <Icon name="pin" />
            {n('pinned_count', pins)}
          </button>
        )}
        <Conversation roomId={roomId} room={room} messages={messages} target={target} onOpen={open} />
        <Typing roomId={roomId} />
        {isInside ? (
          <Composer
            roomId={roomId}
            members={room.members}
            me={room.me}
            isHost={room.card?.host === userId}
            slowSeconds={room.card?.slow_mode_seconds ?? 0}
            attached={attached}
            onDetach={detach}
            onSend={(body, replyTo) => void messages.send(body, replyTo)}
            onEdit={({ message_id }, body) => void run(() => messages.edit(message_id, body))}
          />
        ) : (
          <p className="composer-note" role="status">
            {t(`place_${room.place as 'left' | 'kicked' | 'closed'}`)}{' '}
            {room.place === 'left' && <a href={hrefOf({ name: 'join', room: roomId })}>{t('join')}</a>}
          </p>
        )}
      </div>
      {content && isWide && (
        <aside className="panel" aria-label={titles[panel]}>
          <header className="panel-head">
            <h2>{titles[panel]}</h2>
            <IconButton icon="close" label={t('close')} onClick={() => setPanel(undefined)} />
          </header>
          {content}
        </aside>
      )}
      {content && !isWide && (
        <Dialog title={titles[panel]} onClose={() => setPanel(undefined)} className="full">
          {content}
        </Dialog>
      )}
      {message && (
        <Suspense>
          <MessageSheet
            roomId={roomId}
            message={message}
            room={room}
            messages={messages}
            onReply={() => setAttached({ kind: 'reply', message })}
            onEdit={() => setAttached({ kind: 'edit', message })}
            onClose={() => setOpened(undefined)}
          />
        </Suspense>
      )}
    </div>
  );
}

function Header({
  roomId,
  room,
  isWide,
  panel,
  onPanel,
}: {
  roomId: string;
  room: ReturnType<typeof useRoom>;
  isWide: boolean;
  panel: Panel;
  onPanel: (panel: Panel) => void;
}) {
  const words = useWords();
  const { t, n } = words;
  const { inside } = usePresence(roomId);
  const chat = useChat();
  const { card } = room;
  const now = useNow(1000);
  const store = useLoad(`store ${card?.store_id}`, async () =>
    card ? chat.client.api.showStore({ store: card.store_id }) : undefined,
  );
  if (!card) return null;
  const left = Date.parse(card.closes_at) - now;
  const isClosed = card.status === 'closed';
  const button = (icon: 'search' | 'calendar' | 'people', to: Panel, label: string) => (
    <IconButton icon={icon} label={label} aria-pressed={panel === to} onClick={() => onPanel(to)} />
  );
  return (
    <header className="room-head">
      {!isWide && (
        <a className="icon-button" href={hrefOf({ name: 'rooms' })} aria-label={t('back')}>
          <Icon name="back" />
        </a>
      )}
      <div className="room-head-text">
        <h1>{card.title}</h1>
        <div className="room-head-line">
          {!isWide && <ConnectionMark />}
          <span className={`step-mark is-${card.step}`}>{isClosed ? t('closed') : t(`step_${card.step}`)}</span>
          <span className="store-name">{store.data?.name ?? ''}</span>
          {!isClosed && (
            <span className={left < 600_000 ? 'countdown is-soon' : 'countdown'} role="timer">
              <Icon name="clock" />
              <span className="hidden">{t('closes_in', { time: '' })}</span>
              {spanOf(left)}
            </span>
          )}
          {inside.length > 0 && <span className="here">{n('here_now', inside.length)}</span>}
        </div>
      </div>
      <div className="row">
        {button('search', 'search', t('search_messages'))}
        {isWide && button('calendar', 'date', t('jump_date'))}
        {button('people', 'about', t('about_room'))}
      </div>
    </header>
  );
}

function Typing({ roomId }: { roomId: string }) {
  const { n, t } = useWords();
  const nameOf = useNames();
  const { typing } = usePresence(roomId);
  const names = typing.slice(0, 3).map((user) => nameOf(user) ?? t('unknown_user'));
  return <p className="typing">{typing.length > 0 ? n('typing', typing.length, { names: names.join(', ') }) : ''}</p>;
}
