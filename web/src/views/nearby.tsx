/** Boxes and open rooms around a place. */

import type { LobbyRoom } from '@boxroom/client';
import { useBoxroom, useNames, type RoomView } from '@boxroom/react';
import { useEffect, useMemo, useState, type FormEvent } from 'react';
import { useAction, useLoad, useNow, useTitle } from '../lib/hooks.js';
import { place as storedPlace, setPlace as storePlace } from '../lib/preferences.js';
import { hrefOf } from '../lib/router.js';
import { distanceOf, spanOf } from '../lib/time.js';
import { useWords, type TextKey } from '../texts/index.js';
import { Empty, Field, Icon, Loading } from '../ui/parts.js';
import { toast } from '../ui/toasts.js';
import { useLobby, type Area } from './lobby.js';
import { BoxMap } from './map.js';

/** The radius of the lobby around a chosen place, and around all boxes, in metres. */
const RADIUS = 10_000;
const WIDE_RADIUS = 100_000;

/** A choice of boxes: all, those of a postal code, or the nearest ones. */
type Place = { kind: 'all' } | { kind: 'zip'; zip: string } | { kind: 'near'; near: string };

function initialPlace(): Place {
  const stored = storedPlace();
  if (stored === undefined) return { kind: 'all' };
  return stored.includes(',') ? { kind: 'near', near: stored } : { kind: 'zip', zip: stored };
}

/** The view: a list and a map of the boxes, or the open rooms. */
export function NearbyView({ tab }: { tab: 'boxes' | 'lobby' }) {
  const { t, language } = useWords();
  const client = useBoxroom();
  const [place, setPlace] = useState(initialPlace);
  const [zip, setZip] = useState(place.kind === 'zip' ? place.zip : '');
  useTitle(t('nearby'));
  const choose = (next: Place) => {
    setPlace(next);
    storePlace(next.kind === 'all' ? undefined : next.kind === 'zip' ? next.zip : next.near);
  };
  const locate = () => {
    navigator.geolocation?.getCurrentPosition(
      ({ coords }) => choose({ kind: 'near', near: `${coords.latitude.toFixed(4)},${coords.longitude.toFixed(4)}` }),
      () => toast(t('no_location')),
      { maximumAge: 60_000, timeout: 10_000 },
    );
  };
  const query = place.kind === 'zip' ? { zip_code: place.zip } : place.kind === 'near' ? { near: place.near } : {};
  const { data, error, isLoading, reload } = useLoad(JSON.stringify(query), () =>
    client.api.listBoxes({ ...query, limit: 200 }),
  );
  const boxes = useMemo(() => (data?.items ?? []).filter(({ status }) => status !== 'retired'), [data]);
  const area = useMemo<Area | undefined>(() => {
    if (place.kind === 'zip') return { zip_code: place.zip };
    if (place.kind === 'near') return { near: place.near, radius: RADIUS };
    if (boxes.length === 0) return undefined;
    // The median is a place with boxes, even if some boxes are far away.
    const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
    const latitude = median(boxes.map((box) => box.latitude)).toFixed(3);
    const longitude = median(boxes.map((box) => box.longitude)).toFixed(3);
    return { near: `${latitude},${longitude}`, radius: WIDE_RADIUS };
  }, [place, boxes]);
  const rooms = useLobby(area);
  const byBox = useMemo(() => new Map(rooms?.map((room) => [room.box_id, room])), [rooms]);
  const openIds = rooms
    ?.map(({ room_id }) => room_id)
    .sort()
    .join(' ');
  const [shownIds, setShownIds] = useState<string>();
  useEffect(() => {
    // A room was opened or closed: other boxes are free.
    if (openIds === undefined) return;
    if (shownIds !== undefined && shownIds !== openIds) reload();
    setShownIds(openIds);
  }, [openIds, shownIds, reload]);
  const isUsed = (box: { box_id: string; status: string }) => byBox.has(box.box_id) || box.status === 'in_use';
  const stateOf = (box: { box_id: string; status: string }): TextKey =>
    box.status === 'out_of_service' ? 'box_out_of_service' : isUsed(box) ? 'box_in_use' : 'box_free';
  return (
    <div className="view nearby">
      <header className="view-head">
        <h1>{t('nearby')}</h1>
      </header>
      <form
        className="row bottom place-form"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          choose(zip.trim() === '' ? { kind: 'all' } : { kind: 'zip', zip: zip.trim() });
        }}
      >
        <Field
          label={t('postal_code')}
          className="grow"
          maxLength={16}
          autoComplete="postal-code"
          value={zip}
          onChange={(event) => setZip(event.target.value)}
        />
        <button className="button">{t('show')}</button>
        <button
          type="button"
          className="button"
          aria-label={t('use_location')}
          title={t('use_location')}
          onClick={locate}
        >
          <Icon name="locate" />
        </button>
        {place.kind !== 'all' && (
          <button
            type="button"
            className="button"
            onClick={() => {
              setZip('');
              choose({ kind: 'all' });
            }}
          >
            {t('everywhere')}
          </button>
        )}
      </form>
      <nav className="tabs" aria-label={t('nearby')}>
        <a href={hrefOf({ name: 'boxes' })} aria-current={tab === 'boxes' ? 'page' : undefined}>
          {t('tab_boxes')}
        </a>
        <a href={hrefOf({ name: 'lobby' })} aria-current={tab === 'lobby' ? 'page' : undefined}>
          {t('tab_rooms')} {rooms ? <span className="quiet">{rooms.length}</span> : null}
        </a>
      </nav>
      {isLoading && <Loading />}
      {error !== undefined && !data && (
        <Empty icon="box" text={t('problem_network')}>
          <button type="button" className="button" onClick={reload}>
            {t('retry')}
          </button>
        </Empty>
      )}
      {tab === 'boxes' && data && (
        <div className="boxes">
          {boxes.length === 0 ? (
            <Empty icon="box" text={t('no_boxes')} />
          ) : (
            <BoxMap
              boxes={boxes.map((box) => ({ ...box, isUsed: isUsed(box), state: t(stateOf(box)) }))}
              near={place.kind === 'near' ? place.near : undefined}
            />
          )}
          <ul className="cards">
            {boxes.map((box) => {
              const room = byBox.get(box.box_id);
              return (
                <li key={box.box_id}>
                  <a className="box-entry" href={hrefOf({ name: 'box', box: box.box_id })}>
                    <span className="box-text">
                      <span className="box-address">{box.address}</span>
                      <span className="small quiet">
                        {box.detailed_address}
                        {box.distance_m === undefined ? '' : ` · ${distanceOf(language, box.distance_m)}`}
                      </span>
                      {room && <span className="small box-room">{room.title}</span>}
                    </span>
                    <span className={`chip ${isUsed(box) ? 'is-used' : 'is-free'}`}>{t(stateOf(box))}</span>
                  </a>
                </li>
              );
            })}
          </ul>
        </div>
      )}
      {tab === 'lobby' && <Lobby rooms={rooms} />}
    </div>
  );
}

/** The open rooms of the area, and a search for all rooms. */
function Lobby({ rooms }: { rooms: readonly LobbyRoom[] | undefined }) {
  const { t, n } = useWords();
  const client = useBoxroom();
  const [query, setQuery] = useState('');
  const [found, setFound] = useState<readonly RoomView[]>();
  const { busy, error, run } = useAction();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const q = query.trim();
    if (q === '') setFound(undefined);
    else void run(async () => setFound((await client.api.listRooms({ q, status: 'open', limit: 50 })).items));
  };
  const shown = found ?? (rooms ? [...rooms].sort((a, b) => a.closes_at.localeCompare(b.closes_at)) : undefined);
  return (
    <>
      <form className="row bottom" role="search" onSubmit={submit}>
        <Field
          label={t('search_rooms')}
          className="grow"
          type="search"
          placeholder={t('search_rooms_hint')}
          maxLength={200}
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            if (event.target.value === '') setFound(undefined);
          }}
        />
        <button className="button" disabled={busy}>
          {t('search')}
        </button>
      </form>
      {error && <p className="error">{error}</p>}
      <p className="small quiet" role="status">
        {shown ? n('results', shown.length) : ''}
      </p>
      {!shown && <Loading />}
      {shown?.length === 0 && !found && <Empty icon="chat" text={t('no_rooms_here')} />}
      <ul className="cards">
        {shown?.map((room) => (
          <RoomCard key={room.room_id} room={room} />
        ))}
      </ul>
    </>
  );
}

/** A room that can be joined. */
export function RoomCard({ room }: { room: LobbyRoom | RoomView }) {
  const { t } = useWords();
  const nameOf = useNames();
  const now = useNow(1000);
  const isFull = room.member_count >= room.max_members;
  return (
    <li>
      <a className="lobby-entry" href={hrefOf({ name: 'join', room: room.room_id })}>
        <span className="box-text">
          <span className="box-address">
            {room.locked && (
              <>
                <Icon name="lock" />
                <span className="hidden">{t('locked')}</span>
              </>
            )}
            {room.title}
          </span>
          <span className="small quiet">{t('hosted_by', { name: nameOf(room.host) ?? t('unknown_user') })}</span>
          <span className="small quiet">
            <span className="whole">{t('members_of', { count: room.member_count, max: room.max_members })} · </span>
            <span className="whole">{t('closes_in', { time: spanOf(Date.parse(room.closes_at) - now) })}</span>
          </span>
        </span>
        <span className={`chip ${isFull ? 'is-used' : 'is-free'}`}>{isFull ? t('full') : t(`step_${room.step}`)}</span>
      </a>
    </li>
  );
}
