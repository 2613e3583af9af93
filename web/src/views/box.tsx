/** A box: its open room, or the form that opens one. */

import { useBoxroom } from '@boxroom/react';
import { useState, type FormEvent } from 'react';
import { useAction, useLoad, useTitle } from '../lib/hooks.js';
import { codeText, problemText } from '../lib/problems.js';
import { go, hrefOf } from '../lib/router.js';
import { useWords } from '../texts/index.js';
import { Choice, Empty, Field, FormError, Icon, Loading, PasswordField } from '../ui/parts.js';
import { RoomCard } from './nearby.js';
import { useLobby } from './lobby.js';
import { storeLabel, useStores } from './stores.js';

/** The view of a box. It changes at once when a room is opened or closed on the box. */
export function BoxView({ boxId }: { boxId: string }) {
  const words = useWords();
  const { t } = words;
  const client = useBoxroom();
  const { data: box, error } = useLoad(boxId, () => client.api.showBox({ box: boxId }));
  const rooms = useLobby(box && { near: `${box.latitude.toFixed(3)},${box.longitude.toFixed(3)}`, radius: 1000 });
  const isShared = box?.kind === 'shared';
  const live = rooms?.find((room) => room.box_id === boxId);
  const shownId = live ? undefined : rooms && isShared ? undefined : box?.room_id;
  const shown = useLoad(`${shownId}`, async () => (shownId ? client.api.showRoom({ room: shownId }) : undefined));
  useTitle(box?.address);
  const room = live ?? shown.data;
  return (
    <div className="view narrow-view">
      <header className="view-head">
        <a className="icon-button" href={hrefOf({ name: 'boxes' })} aria-label={t('back')}>
          <Icon name="back" />
        </a>
        <h1>{box?.address ?? boxId}</h1>
      </header>
      {error !== undefined && !box && <Empty icon="box" text={problemText(error, words)} />}
      {!box && error === undefined && <Loading />}
      {box && (
        <>
          <p className="quiet">
            {box.detailed_address} · {box.zip_code}
          </p>
          {room && !('status' in room && room.status === 'closed') ? (
            <section>
              <h2>{t('box_used_now')}</h2>
              <ul className="cards">
                <RoomCard room={room} />
              </ul>
            </section>
          ) : box.status === 'out_of_service' || box.status === 'retired' ? (
            <Empty icon="box" text={t('box_not_usable')} />
          ) : (
            <OpenRoom boxId={boxId} zipCode={box.zip_code} />
          )}
        </>
      )}
    </div>
  );
}

function OpenRoom({ boxId, zipCode }: { boxId: string; zipCode: string }) {
  const words = useWords();
  const { t } = words;
  const client = useBoxroom();
  const stores = useStores(zipCode);
  const [store, setStore] = useState('');
  const [title, setTitle] = useState('');
  const [size, setSize] = useState('4');
  const [password, setPassword] = useState('');
  const { busy, error, run } = useAction();
  const storeId = store || stores.data?.[0]?.store_id || '';
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      const locked = password === '' ? {} : { password };
      const body = { store_id: storeId, title: title.trim(), max_members: Number(size), ...locked };
      const { id } = await client.api.openRoom({ box: boxId, body });
      go({ name: 'room', room: id });
    });
  };
  if (stores.isLoading) return <Loading />;
  if (!stores.data) return <p className="error">{codeText('network', words)}</p>;
  if (stores.data.length === 0) return <Empty icon="box" text={t('no_stores')} />;
  return (
    <section>
      <h2>{t('open_room')}</h2>
      <p className="quiet">{t('open_room_lead')}</p>
      <form onSubmit={submit}>
        <Choice
          label={t('store')}
          value={storeId}
          options={stores.data.map((entry) => [entry.store_id, storeLabel(entry)] as const)}
          onChange={setStore}
        />
        <Field
          label={t('title')}
          hint={t('title_hint')}
          required
          maxLength={100}
          value={title}
          onChange={(event) => setTitle(event.target.value)}
        />
        <Field
          label={t('max_members')}
          type="number"
          inputMode="numeric"
          required
          min={2}
          max={100}
          value={size}
          onChange={(event) => setSize(event.target.value)}
        />
        <PasswordField
          label={t('room_password')}
          hint={t('room_password_hint')}
          autoComplete="off"
          minLength={4}
          maxLength={128}
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <FormError text={error} />
        <button className="button primary wide" disabled={busy}>
          {t('open_room')}
        </button>
      </form>
    </section>
  );
}
