/** The rooms of the user. */

import { useBlocks, useNames, useRooms, type MyRoomView } from '@boxroom/react';
import { useAction, useTitle } from '../lib/hooks.js';
import { hrefOf } from '../lib/router.js';
import { shortOf } from '../lib/time.js';
import { useWords } from '../texts/index.js';
import { ConnectionMark } from '../ui/connection.js';
import { Badge, Empty, Icon, Loading } from '../ui/parts.js';

/** The list of the rooms: as a view, or beside a conversation. */
export function RoomsView({ current, isSide = false }: { current?: string | undefined; isSide?: boolean }) {
  const { t } = useWords();
  const { status, rooms, hasMore, loadMore, reload } = useRooms();
  const { busy, run } = useAction(true);
  useTitle(isSide ? undefined : t('rooms_title'));
  const open = rooms.filter((room) => room.status === 'open');
  const past = rooms.filter((room) => room.status === 'closed');
  const Title = isSide ? 'h2' : 'h1';
  return (
    <div className={isSide ? 'room-list is-side' : 'room-list view'}>
      <header className="view-head">
        <Title>{t('rooms_title')}</Title>
        {!isSide && <ConnectionMark />}
      </header>
      {status === 'loading' && <Loading />}
      {status === 'failed' && (
        <Empty icon="chat" text={t('problem_network')}>
          <button type="button" className="button" onClick={() => void reload()}>
            {t('retry')}
          </button>
        </Empty>
      )}
      {status === 'ready' && rooms.length === 0 && (
        <Empty icon="chat" text={t('no_rooms')}>
          <a className="button primary" href={hrefOf({ name: 'boxes' })}>
            {t('find_rooms')}
          </a>
        </Empty>
      )}
      <Group title={t('open_rooms')} rooms={open} current={current} level={isSide ? 3 : 2} />
      <Group title={t('past_rooms')} rooms={past} current={current} level={isSide ? 3 : 2} />
      {hasMore && (
        <button type="button" className="button wide" disabled={busy} onClick={() => void run(loadMore)}>
          {t('more')}
        </button>
      )}
    </div>
  );
}

function Group(props: { title: string; rooms: MyRoomView[]; current: string | undefined; level: 2 | 3 }) {
  const { title, rooms, current, level } = props;
  if (rooms.length === 0) return null;
  const Heading = `h${level}` as const;
  return (
    <section className="group">
      <Heading className="group-title">{title}</Heading>
      <ul className="cards">
        {rooms.map((room) => (
          <Entry key={room.room_id} room={room} isCurrent={room.room_id === current} />
        ))}
      </ul>
    </section>
  );
}

function Entry({ room, isCurrent }: { room: MyRoomView; isCurrent: boolean }) {
  const { t, n, language } = useWords();
  const nameOf = useNames();
  const blocks = useBlocks();
  const last = room.last_message;
  const isHidden = last != null && (last.blocked === true || blocks.has(last.author));
  const preview = !last
    ? t('no_messages')
    : isHidden
      ? t('blocked_message')
      : last.preview === null
        ? t('preview_deleted')
        : `${nameOf(last.author) ?? t('unknown_user')}: ${last.preview}`;
  return (
    <li>
      <a
        className="room-entry"
        href={hrefOf({ name: 'room', room: room.room_id })}
        aria-current={isCurrent || undefined}
      >
        <span className={`room-mark ${room.status === 'open' ? '' : 'is-closed'}`}>
          <Icon name={room.locked ? 'lock' : 'chat'} />
        </span>
        <span className="room-entry-text">
          <span className="room-entry-title">{room.title}</span>
          <span className="room-entry-preview">{preview}</span>
        </span>
        <span className="room-entry-end">
          <span className="small">{shortOf(language, last?.posted_at ?? room.opened_at)}</span>
          <span className="row">
            {room.muted && (
              <span className="muted-mark" title={t('muted_room')}>
                <Icon name="bell_off" />
                <span className="hidden">{t('muted_room')}</span>
              </span>
            )}
            <Badge count={room.unread} label={n('unread_count', room.unread)} />
          </span>
        </span>
      </a>
    </li>
  );
}
