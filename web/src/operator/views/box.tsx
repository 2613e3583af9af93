/** One box: its state, its secret and the users of a private one. */

import type { QueryComponents } from '@boxroom/client';
import { useState, type FormEvent } from 'react';
import { Dialog, Field, FormError } from '../../ui/parts.js';
import { useServices, useTexts } from '../context.js';
import { Opener, ReasonDialog, Secret, TaskDialog } from '../dialogs.js';
import { newSecret } from '../forms.js';
import { LIST_MS, useRead, useTask } from '../hooks.js';
import { Facts, Loaded, Moment, Section, View } from '../parts.js';
import { at, auditOf } from '../routes.js';
import { BoxDialog, BoxMark } from './boxes.js';

type Box = QueryComponents['schemas']['BoxView'];

/** A box. */
export function BoxView({ id }: { id: string }) {
  const { t } = useTexts();
  const { api, isOperator, gateway } = useServices();
  const box = useRead(`box ${id}`, () => api.showBox({ box: id }), LIST_MS);
  return (
    <View title={box.data?.address ?? id} back={at('boxes')}>
      <Loaded read={box}>
        {(data) => (
          <>
            <Section
              title={t('details')}
              actions={
                <>
                  {gateway && <a href={auditOf({ box: id })}>{t('commands_of_box')}</a>}
                  {isOperator && data.status !== 'retired' && (
                    <Opener label={t('change')}>
                      {(close) => <BoxDialog box={data} onClose={close} onChange={box.reload} />}
                    </Opener>
                  )}
                </>
              }
            >
              <Details box={data} />
            </Section>
            {isOperator && data.status !== 'retired' && <Actions box={data} onChange={box.reload} />}
            {isOperator && data.kind === 'private' && <PrivateUsers box={data} onChange={box.reload} />}
          </>
        )}
      </Loaded>
    </View>
  );
}

function Details({ box }: { box: Box }) {
  const { t } = useTexts();
  const { room_id: room } = box;
  return (
    <Facts
      facts={[
        [t('state'), <BoxMark key="state" box={box} />],
        [t('out_of_service_reason'), box.out_of_service_reason],
        [t('id'), box.box_id],
        [t('kind'), box.kind === 'private' ? t('box_private') : t('box_shared')],
        [t('room'), room && <a href={at('rooms', room)}>{room}</a>],
        [t('address'), `${box.zip_code}, ${box.address}`],
        [t('detailed_address'), box.detailed_address],
        [t('coordinates'), `${box.latitude}, ${box.longitude}`],
        [t('installed_at'), <Moment key="installed" at={box.installed_at} />],
      ]}
    />
  );
}

function Actions({ box, onChange }: { box: Box; onChange: () => void }) {
  const { t } = useTexts();
  const { api } = useServices();
  const { box_id: id, room_id: room } = box;
  const [secret, setSecret] = useState<string>();
  return (
    <Section title={t('operation')}>
      <div className="ops-actions">
        {box.status === 'out_of_service' ? (
          <Opener label={t('put_in_service')}>
            {(close) => (
              <TaskDialog
                title={t('ask_in_service', { box: id })}
                action={t('put_in_service')}
                done={t('box_in_service', { box: id })}
                onClose={close}
                onRun={(options) =>
                  api.setServiceState({ box: id, body: { state: 'in_service' } }, options).then(onChange)
                }
              />
            )}
          </Opener>
        ) : (
          <Opener label={t('take_out_of_service')} isDanger>
            {(close) => (
              <ReasonDialog
                title={t('ask_out_of_service', { box: id })}
                lead={t('out_of_service_lead')}
                action={t('take_out_of_service')}
                done={t('box_out_of_service_now', { box: id })}
                onClose={close}
                onRun={(reason, options) =>
                  api.setServiceState({ box: id, body: { state: 'out_of_service', reason } }, options).then(onChange)
                }
              />
            )}
          </Opener>
        )}
        <Opener label={t('set_secret')}>
          {(close) => (
            <TaskDialog
              title={t('ask_secret', { box: id })}
              action={t('set_secret')}
              isDanger
              onClose={close}
              onRun={async () => {
                const made = newSecret();
                await api.setCredentials({ box: id, body: { secret: made } });
                setSecret(made);
              }}
            >
              <p>{t('secret_lead')}</p>
            </TaskDialog>
          )}
        </Opener>
        <Opener label={t('remove_secret')} isDanger>
          {(close) => (
            <TaskDialog
              title={t('ask_remove_secret', { box: id })}
              action={t('remove_secret')}
              done={t('secret_is_removed', { box: id })}
              isDanger
              onClose={close}
              onRun={() => api.removeCredentials({ box: id })}
            >
              <p>{t('remove_secret_lead')}</p>
            </TaskDialog>
          )}
        </Opener>
        <Opener label={t('retire_box')} isDanger>
          {(close) => (
            <ReasonDialog
              title={t('ask_retire_box', { box: id })}
              lead={room ? t('retire_used_box_lead', { room }) : t('retire_box_lead')}
              action={t('retire_box')}
              done={t('box_is_retired', { box: id })}
              typed={id}
              onClose={close}
              onRun={(reason, options) => api.retireUsedBox({ box: id, body: { reason } }, options).then(onChange)}
            />
          )}
        </Opener>
      </div>
      {secret !== undefined && (
        <Dialog title={t('secret_of', { box: id })} onClose={() => setSecret(undefined)}>
          <Secret label={t('secret')} hint={t('shown_once')} value={secret} />
        </Dialog>
      )}
    </Section>
  );
}

function PrivateUsers({ box, onChange }: { box: Box; onChange: () => void }) {
  const { t } = useTexts();
  const { api } = useServices();
  const { box_id: id, users = [] } = box;
  const [user, setUser] = useState('');
  const { busy, error, run } = useTask();
  const add = async (event: FormEvent) => {
    event.preventDefault();
    if (await run(() => api.allowUser({ box: id, user: user.trim() }))) {
      setUser('');
      onChange();
    }
  };
  return (
    <Section title={t('private_users')}>
      <p className="quiet">{users.length === 0 ? t('no_private_users') : t('private_users_lead')}</p>
      <form className="row bottom" onSubmit={(event) => void add(event)}>
        <Field
          className="grow"
          label={t('user_id')}
          required
          autoCapitalize="none"
          spellCheck={false}
          pattern="\s*[a-z0-9][a-z0-9_\-]{0,39}\s*"
          value={user}
          onChange={(event) => setUser(event.target.value)}
        />
        <button className="button" disabled={busy}>
          {t('allow')}
        </button>
      </form>
      <FormError text={error} />
      <ul className="ops-list" aria-label={t('private_users')}>
        {users.map((allowed) => (
          <li key={allowed} className="ops-entry">
            <a className="ops-entry-text" href={at('users', allowed)}>
              {allowed}
            </a>
            <Opener label={t('withdraw')} name={t('withdraw_of', { user: allowed })} isDanger>
              {(close) => (
                <TaskDialog
                  title={t('ask_withdraw', { user: allowed, box: id })}
                  action={t('withdraw')}
                  done={t('permission_is_withdrawn', { user: allowed })}
                  isDanger
                  onClose={close}
                  onRun={(options) => api.disallowUser({ box: id, user: allowed }, options).then(onChange)}
                >
                  <p>{t('withdraw_lead')}</p>
                </TaskDialog>
              )}
            </Opener>
          </li>
        ))}
      </ul>
    </Section>
  );
}
