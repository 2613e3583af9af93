/** Users: the list, and one of them. */

import { Problem, type QueryComponents } from '@boxroom/client';
import { useState, type FormEvent } from 'react';
import { useWords } from '../../texts/index.js';
import { Dialog, Field } from '../../ui/parts.js';
import { useServices, useTexts } from '../context.js';
import { Opener, ReasonDialog, Secret } from '../dialogs.js';
import { endOf, type Span } from '../forms.js';
import { LIST_MS, usePages, useRead } from '../hooks.js';
import { Entry, Facts, Listed, Loaded, Mark, Moment, Section, Tabs, View } from '../parts.js';
import { at, auditOf, goTo } from '../routes.js';
import { SuspensionEnd } from './suspension.js';

type User = QueryComponents['schemas']['ModeratedUserView'];
type State = 'all' | 'active' | 'suspended' | 'erased';

/** All users, the newest first. */
export function UsersView() {
  const { t } = useTexts();
  const { t: page } = useWords();
  const { api } = useServices();
  const [state, setState] = useState<State>('all');
  const [written, setWritten] = useState('');
  const [nickname, setNickname] = useState('');
  const [id, setId] = useState('');
  const users = usePages(`users ${state} ${nickname}`, (cursor) =>
    api.listModeratedUsers({
      ...(state === 'all' ? {} : { state }),
      ...(nickname ? { nickname } : {}),
      ...(cursor ? { cursor } : {}),
    }),
  );
  return (
    <View title={t('users')}>
      <div className="ops-searches">
        <form
          className="row bottom"
          role="search"
          onSubmit={(event: FormEvent) => {
            event.preventDefault();
            setNickname(written.trim());
          }}
        >
          <Field
            className="grow"
            type="search"
            label={t('find_nickname')}
            maxLength={40}
            value={written}
            onChange={(event) => setWritten(event.target.value)}
          />
          <button className="button">{page('search')}</button>
        </form>
        <form
          className="row bottom"
          onSubmit={(event: FormEvent) => {
            event.preventDefault();
            goTo('users', id.trim());
          }}
        >
          <Field
            className="grow"
            label={t('user_id')}
            required
            autoCapitalize="none"
            spellCheck={false}
            pattern="\s*[a-z0-9][a-z0-9_\-]{0,39}\s*"
            value={id}
            onChange={(event) => setId(event.target.value)}
          />
          <button className="button">{t('open')}</button>
        </form>
      </div>
      <Tabs
        label={t('state')}
        value={state}
        options={[
          ['all', t('all')],
          ['active', t('user_active')],
          ['suspended', t('user_suspended')],
          ['erased', t('user_erased')],
        ]}
        onChange={setState}
      />
      <Listed pages={users} label={t('users')} empty={t('no_users')} icon="people">
        {(user) => (
          <Entry
            key={user.user_id}
            href={at('users', user.user_id)}
            title={user.nickname ?? t('erased_text')}
            end={
              <>
                <UserMark user={user} />
                <span className="small quiet">
                  <Moment at={user.registered_at} />
                </span>
              </>
            }
          >
            {user.user_id}
          </Entry>
        )}
      </Listed>
    </View>
  );
}

function UserMark({ user }: { user: User }) {
  const { t } = useTexts();
  if (user.erased) return <Mark tone="plain">{t('user_erased')}</Mark>;
  if (user.suspension) return <Mark tone="bad">{t('user_suspended')}</Mark>;
  return <Mark tone="good">{t('user_active')}</Mark>;
}

/** One user. Moderators are no users: an operator suspends them by their id. */
export function UserView({ id }: { id: string }) {
  const { api } = useServices();
  const user = useRead(
    `user ${id}`,
    () =>
      api.showModeratedUser({ user: id }).catch((error: unknown) => {
        if (error instanceof Problem && error.code === 'user-not-found') return null;
        throw error;
      }),
    LIST_MS,
  );
  const isKnown = user.data !== undefined;
  return (
    <View title={user.data?.nickname ?? id} back={at('users')}>
      {isKnown && user.data === null ? (
        <Unknown id={id} />
      ) : (
        <Loaded read={{ ...user, data: user.data ?? undefined }}>
          {(data) => <Content user={data} onChange={user.reload} />}
        </Loaded>
      )}
    </View>
  );
}

function Unknown({ id }: { id: string }) {
  const { t } = useTexts();
  const { isOperator } = useServices();
  return (
    <Section title={t('not_registered')}>
      <p>{t('no_such_user', { user: id })}</p>
      {isOperator && (
        <>
          <p className="quiet">{t('moderator_by_id')}</p>
          <div className="ops-actions">
            <Suspend id={id} onChange={() => {}} />
            <Reinstate id={id} onChange={() => {}} />
          </div>
        </>
      )}
    </Section>
  );
}

function Content({ user, onChange }: { user: User; onChange: () => void }) {
  const { t } = useTexts();
  const { api, isOperator, gateway } = useServices();
  const { user_id: id, suspension } = user;
  return (
    <>
      <Section title={t('details')} actions={gateway && <a href={auditOf({ actor: id })}>{t('commands_of_user')}</a>}>
        <Facts
          facts={[
            [t('state'), <UserMark key="state" user={user} />],
            [t('id'), id],
            [t('nickname'), user.nickname],
            [t('registered_at'), <Moment at={user.registered_at} />],
            [t('suspended_since'), suspension && <Moment at={suspension.since} />],
            [
              t('suspended_until'),
              suspension && (suspension.until ? <Moment at={suspension.until} /> : t('span_ever')),
            ],
            [t('suspension_reason'), suspension?.reason],
          ]}
        />
      </Section>
      {!user.erased && (
        <Section title={t('moderation')}>
          <div className="ops-actions">
            <Suspend id={id} isChange={suspension !== null} onChange={onChange} />
            {suspension && <Reinstate id={id} onChange={onChange} />}
            {isOperator && <PasswordReset id={id} />}
            {isOperator && (
              <Opener label={t('erase_user')} isDanger>
                {(close) => (
                  <ReasonDialog
                    title={t('ask_erase', { user: id })}
                    lead={t('erase_user_lead')}
                    action={t('erase_user')}
                    done={t('user_is_erased', { user: id })}
                    typed={id}
                    onClose={close}
                    onRun={(reason, options) =>
                      api.eraseAnyUser({ user: id, body: { reason } }, options).then(onChange)
                    }
                  />
                )}
              </Opener>
            )}
          </div>
        </Section>
      )}
    </>
  );
}

function Suspend({ id, isChange = false, onChange }: { id: string; isChange?: boolean; onChange: () => void }) {
  const { t } = useTexts();
  const { api } = useServices();
  const [span, setSpan] = useState<Span>('week');
  const label = isChange ? t('change_suspension') : t('suspend');
  return (
    <Opener label={label} isDanger>
      {(close) => (
        <ReasonDialog
          title={t('ask_suspend', { user: id })}
          lead={t('suspend_lead')}
          action={label}
          done={t('user_is_suspended', { user: id })}
          onClose={close}
          onRun={(reason, options) =>
            api.suspendUser({ user: id, body: { reason, until: endOf(span, Date.now()) } }, options).then(onChange)
          }
        >
          <SuspensionEnd value={span} onChange={setSpan} />
        </ReasonDialog>
      )}
    </Opener>
  );
}

function Reinstate({ id, onChange }: { id: string; onChange: () => void }) {
  const { t } = useTexts();
  const { api } = useServices();
  return (
    <Opener label={t('reinstate')}>
      {(close) => (
        <ReasonDialog
          title={t('ask_reinstate', { user: id })}
          action={t('reinstate')}
          done={t('user_is_reinstated', { user: id })}
          onClose={close}
          onRun={(reason, options) => api.reinstateUser({ user: id, body: { reason } }, options).then(onChange)}
        />
      )}
    </Opener>
  );
}

function PasswordReset({ id }: { id: string }) {
  const { t } = useTexts();
  const { api } = useServices();
  const [token, setToken] = useState<string>();
  return (
    <>
      <Opener label={t('reset_password')}>
        {(close) => (
          <ReasonDialog
            title={t('ask_reset', { user: id })}
            lead={t('reset_password_lead')}
            action={t('issue_reset')}
            done={t('reset_is_issued')}
            onClose={close}
            onRun={async (reason, options) => {
              const issued = await api.issuePasswordReset({ user: id, body: { reason } }, options);
              setToken(issued.reset_token);
            }}
          />
        )}
      </Opener>
      {token !== undefined && (
        <Dialog title={t('reset_link')} onClose={() => setToken(undefined)}>
          <Secret label={t('reset_link')} hint={t('reset_link_hint')} value={resetLink(token)} />
        </Dialog>
      )}
    </>
  );
}

/** Returns the address at which the user sets a new password. */
function resetLink(token: string): string {
  return new URL(`#/new-password?token=${encodeURIComponent(token)}`, location.href).href;
}
