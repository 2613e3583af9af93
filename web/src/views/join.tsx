/** Joining a room: with its password, or with an invitation. */

import { useBoxroom, useNames, useRooms } from '@boxroom/react';
import { Problem } from '@boxroom/client';
import { useEffect, useState, type FormEvent } from 'react';
import { useAction, useLoad, useNow, useTitle } from '../lib/hooks.js';
import { problemText } from '../lib/problems.js';
import { go, hrefOf } from '../lib/router.js';
import { spanOf } from '../lib/time.js';
import { useWords } from '../texts/index.js';
import { Empty, FormError, Icon, Loading, PasswordField } from '../ui/parts.js';
import { useLobby } from './lobby.js';

/** The view before a room. */
export function JoinView({ roomId, invitation }: { roomId: string; invitation: string | undefined }) {
  const words = useWords();
  const { t } = words;
  const client = useBoxroom();
  const nameOf = useNames();
  const { rooms } = useRooms();
  const now = useNow(1000);
  const [password, setPassword] = useState('');
  const { busy, error, run } = useAction();
  const card = useLoad(roomId, () => client.api.showRoom({ room: roomId }));
  const boxId = card.data?.box_id;
  const box = useLoad(`box ${boxId}`, async () => (boxId ? client.api.showBox({ box: boxId }) : undefined));
  const store = useLoad(`store ${card.data?.store_id}`, async () =>
    card.data ? client.api.showStore({ store: card.data.store_id }) : undefined,
  );
  const lobby = useLobby(
    box.data && { near: `${box.data.latitude.toFixed(3)},${box.data.longitude.toFixed(3)}`, radius: 1000 },
  );
  // The lobby moves while the user hesitates.
  const live = lobby?.find(({ room_id }) => room_id === roomId);
  const { reload } = card;
  const isGone = lobby !== undefined && box.data?.kind === 'shared' && !live && card.data?.status === 'open';
  useEffect(() => {
    if (isGone) reload();
  }, [isGone, reload]);
  const room = card.data ? { ...card.data, ...live } : undefined;
  useTitle(room?.title ?? t('join_title'));
  const mine = rooms.find(({ room_id }) => room_id === roomId);
  const isInside = mine?.status === 'open';
  const isFull = room !== undefined && room.member_count >= room.max_members;
  const isClosed = room?.status === 'closed';
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      const body = invitation !== undefined ? { invitation } : room?.locked ? { password } : {};
      try {
        await client.api.joinRoom({ room: roomId, body });
      } catch (problem) {
        if (!(problem instanceof Problem) || problem.code !== 'already-member') throw problem;
      }
      go({ name: 'room', room: roomId }, true);
    });
  };
  return (
    <div className="view narrow-view">
      <header className="view-head">
        <a className="icon-button" href={hrefOf({ name: 'lobby' })} aria-label={t('back')}>
          <Icon name="back" />
        </a>
        <h1>{t('join_title')}</h1>
      </header>
      {!room && card.error === undefined && <Loading />}
      {!room && card.error !== undefined && <Empty icon="chat" text={problemText(card.error, words)} />}
      {room && (
        <section className="join-card">
          <h2>{room.title}</h2>
          <dl className="facts">
            <dt>{t('store')}</dt>
            <dd>{store.data?.name ?? room.store_id}</dd>
            <dt>{t('box')}</dt>
            <dd>{box.data ? `${box.data.address}, ${box.data.detailed_address}` : room.box_id}</dd>
            <dt>{t('host')}</dt>
            <dd>{nameOf(room.host) ?? t('unknown_user')}</dd>
            <dt>{t('members')}</dt>
            <dd>{t('members_of', { count: room.member_count, max: room.max_members })}</dd>
            <dt>{t('step')}</dt>
            <dd>
              {isClosed ? t('closed') : t(`step_${room.step}`)}
              {!isClosed && ` · ${t('closes_in', { time: spanOf(Date.parse(room.closes_at) - now) })}`}
            </dd>
          </dl>
          {isInside || (isClosed && mine) ? (
            <a className="button primary wide" href={hrefOf({ name: 'room', room: roomId })}>
              {t('enter')}
            </a>
          ) : isClosed ? (
            <p className="note">{t('join_closed')}</p>
          ) : (
            <form onSubmit={submit}>
              {isFull && <p className="note">{t('join_full')}</p>}
              {invitation !== undefined && <p className="note">{t('join_invited')}</p>}
              {invitation === undefined && room.locked && (
                <PasswordField
                  label={t('room_password')}
                  hint={t('join_locked')}
                  autoComplete="off"
                  required
                  maxLength={128}
                  value={password}
                  onChange={(event) => setPassword(event.target.value)}
                />
              )}
              <FormError text={error} />
              <button className="button primary wide" disabled={busy || isFull}>
                {t('join')}
              </button>
            </form>
          )}
        </section>
      )}
    </div>
  );
}
