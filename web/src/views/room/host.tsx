/** Dialogs of the host: changes of the room, and invitations. */

import { useBoxroom, type RoomView } from '@boxroom/react';
import { useState, type FormEvent } from 'react';
import { useAction, useLoad } from '../../lib/hooks.js';
import { hrefOf } from '../../lib/router.js';
import { timeOf } from '../../lib/time.js';
import { useWords } from '../../texts/index.js';
import { Choice, Dialog, Field, FormError, PasswordField } from '../../ui/parts.js';
import { toast } from '../../ui/toasts.js';
import { storeLabel, useStores } from '../stores.js';

/** The form that changes store, title, size and password. */
export function ChangeRoom({ roomId, card, onClose }: { roomId: string; card: RoomView; onClose: () => void }) {
  const { t } = useWords();
  const client = useBoxroom();
  const [store, setStore] = useState(card.store_id);
  const current = useLoad(card.store_id, () => client.api.showStore({ store: card.store_id }));
  const box = useLoad(card.box_id, () => client.api.showBox({ box: card.box_id }));
  const stores = useStores(box.data?.zip_code);
  const others = stores.data?.filter(({ store_id }) => store_id !== card.store_id) ?? [];
  const [title, setTitle] = useState(card.title);
  const [size, setSize] = useState(String(card.max_members));
  const [change, setChange] = useState<'keep' | 'set' | 'remove'>('keep');
  const [password, setPassword] = useState('');
  const { busy, error, run } = useAction();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const body = {
      ...(store === card.store_id ? {} : { store_id: store }),
      ...(title === card.title ? {} : { title }),
      ...(Number(size) === card.max_members ? {} : { max_members: Number(size) }),
      ...(change === 'keep' ? {} : { password: change === 'set' ? password : null }),
    };
    if (Object.keys(body).length === 0 || (await run(() => client.api.changeRoom({ room: roomId, body })))) onClose();
  };
  return (
    <Dialog title={t('change_room')} onClose={onClose} className="narrow">
      <form onSubmit={(event) => void submit(event)}>
        <Choice
          label={t('store')}
          value={store}
          options={[
            // The current store stays, also if it is closed now.
            [card.store_id, current.data ? storeLabel(current.data) : card.store_id],
            ...others.map((entry) => [entry.store_id, storeLabel(entry)] as const),
          ]}
          onChange={setStore}
        />
        <Field
          label={t('title')}
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
          min={Math.max(2, card.member_count)}
          max={100}
          value={size}
          onChange={(event) => setSize(event.target.value)}
        />
        <Choice
          label={t('room_password')}
          value={change}
          options={[
            ['keep', t('password_keep')],
            ['set', t('password_set')],
            ...(card.locked ? [['remove', t('password_remove')] as const] : []),
          ]}
          onChange={setChange}
        />
        {change === 'set' && (
          <PasswordField
            label={t('new_password')}
            autoComplete="off"
            required
            minLength={4}
            maxLength={128}
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        )}
        <FormError text={error} />
        <div className="row end">
          <button type="button" className="button" onClick={onClose}>
            {t('cancel')}
          </button>
          <button className="button primary" disabled={busy}>
            {t('save')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** Invitation links: new ones, and those that are valid. */
export function Invitations({ roomId, onClose }: { roomId: string; onClose: () => void }) {
  const { t, n, language } = useWords();
  const client = useBoxroom();
  const [uses, setUses] = useState('3');
  const [minutes, setMinutes] = useState('60');
  const [link, setLink] = useState<string>();
  const { busy, error, run } = useAction();
  const { data: valid, reload } = useLoad('invitations', () => client.api.listRoomInvitations({ room: roomId }));
  const create = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      const body = { uses: Number(uses), minutes: Number(minutes) };
      const { token } = await client.api.createRoomInvitation({ room: roomId, body });
      const hash = hrefOf({ name: 'join', room: roomId, invitation: token });
      setLink(new URL(`${import.meta.env.BASE_URL}${hash}`, location.href).href);
      reload();
    });
  };
  return (
    <Dialog title={t('invite')} onClose={onClose} className="narrow">
      <p className="quiet">{t('invite_lead')}</p>
      <form onSubmit={create}>
        <div className="row bottom">
          <Field
            label={t('invite_uses')}
            type="number"
            inputMode="numeric"
            required
            min={1}
            max={100}
            value={uses}
            onChange={(event) => setUses(event.target.value)}
          />
          <Choice
            label={t('invite_time')}
            value={minutes}
            options={[
              ['15', n('minutes', 15)],
              ['60', n('hours', 1)],
              ['360', n('hours', 6)],
              ['1440', n('hours', 24)],
            ]}
            onChange={setMinutes}
          />
        </div>
        <FormError text={error} />
        <button className="button primary wide" disabled={busy}>
          {t('invite_create')}
        </button>
      </form>
      {link && (
        <div className="invite-link">
          <Field
            label={t('invite_link')}
            hint={t('invite_once')}
            readOnly
            value={link}
            onFocus={(event) => event.target.select()}
          />
          <button
            type="button"
            className="button"
            onClick={() =>
              // Without the permission the link is copied from the field.
              void navigator.clipboard.writeText(link).then(
                () => toast(t('copied')),
                () => {},
              )
            }
          >
            {t('invite_copy')}
          </button>
        </div>
      )}
      {valid?.length === 0 && <p className="small quiet">{t('no_invitations')}</p>}
      <ul className="invitation-list">
        {valid?.map(({ invitation, uses: used, max_uses, expires_at }) => (
          <li key={invitation} className="row between">
            <span className="small">
              {t('invite_used', { uses: used, max: max_uses, time: timeOf(language, expires_at) })}
            </span>
            <button
              type="button"
              className="button small"
              onClick={() =>
                void run(async () => {
                  await client.api.revokeRoomInvitation({ room: roomId, invitation });
                  reload();
                })
              }
            >
              {t('invite_revoke')}
            </button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
