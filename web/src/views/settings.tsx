/** The settings of the user and of this device. */

import { useBoxroom, useChat } from '@boxroom/react';
import { useState, type FormEvent } from 'react';
import { useAction, useLoad, useTitle } from '../lib/hooks.js';
import { clearBegun, setTheme, theme, type Language, type Theme } from '../lib/preferences.js';
import type { PageSession } from '../lib/session.js';
import { dateTimeOf } from '../lib/time.js';
import { useWords } from '../texts/index.js';
import { Choice, Dialog, Field, FormError, Loading, PasswordField } from '../ui/parts.js';
import { toast } from '../ui/toasts.js';

const KINDS = [
  'reply',
  'mention',
  'reaction',
  'message_after_silence',
  'kicked',
  'made_host',
  'room_extended',
  'closing_soon',
  'room_closed',
  'order_arrived',
  'door_opened',
] as const;

/** The view. */
export function SettingsView({ session }: { session: PageSession }) {
  const { t } = useWords();
  const client = useBoxroom();
  const { data: me, reload, isLoading, error } = useLoad('me', () => client.api.showMe());
  const { busy, run } = useAction(true);
  useTitle(t('settings_title'));
  const signOut = async () => {
    clearBegun();
    await session.signOut();
  };
  return (
    <div className="view narrow-view settings">
      <header className="view-head">
        <h1>{t('settings_title')}</h1>
        <button type="button" className="button" disabled={busy} onClick={() => void run(signOut)}>
          {t('sign_out')}
        </button>
      </header>
      {isLoading && <Loading />}
      {!me && error !== undefined && (
        <button type="button" className="button" onClick={reload}>
          {t('problem_network')} {t('retry')}
        </button>
      )}
      <Appearance />
      {me && <Profile userId={me.user_id} nickname={me.nickname} onChange={reload} />}
      <Password />
      {me && <Notifications preferences={me.notification_preferences} onChange={reload} />}
      {me && <QuietHours key={JSON.stringify(me.quiet_hours)} hours={me.quiet_hours} onChange={reload} />}
      {me && <Privacy isShared={me.share_read_markers} onChange={reload} />}
      <Sessions session={session} />
      <YourData session={session} />
    </div>
  );
}

function Appearance() {
  const { t, language, set } = useWords();
  const [current, setCurrent] = useState<Theme>(theme);
  return (
    <section>
      <h2>{t('appearance')}</h2>
      <div className="row bottom">
        <Choice<Language>
          label={t('language_label')}
          value={language}
          options={[
            ['en', 'English'],
            ['ko', '한국어'],
          ]}
          onChange={set}
        />
        <Choice<Theme>
          label={t('theme_label')}
          value={current}
          options={[
            ['auto', t('theme_auto')],
            ['light', t('theme_light')],
            ['dark', t('theme_dark')],
          ]}
          onChange={(next) => {
            setTheme(next);
            setCurrent(next);
          }}
        />
      </div>
    </section>
  );
}

function Profile({ userId, nickname, onChange }: { userId: string; nickname: string; onChange: () => void }) {
  const { t } = useWords();
  const client = useBoxroom();
  const [name, setName] = useState(nickname);
  const { busy, error, run } = useAction();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await run(() => client.api.changeNickname({ body: { nickname: name } }))) {
      toast(t('saved'));
      onChange();
    }
  };
  return (
    <section>
      <h2>{t('profile')}</h2>
      <p className="quiet">@{userId}</p>
      <form onSubmit={(event) => void submit(event)}>
        <Field
          label={t('nickname')}
          required
          maxLength={40}
          autoComplete="nickname"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <FormError text={error} />
        <button className="button" disabled={busy || name === nickname}>
          {t('change_nickname')}
        </button>
      </form>
    </section>
  );
}

function Password() {
  const { t } = useWords();
  const client = useBoxroom();
  const [old, setOld] = useState('');
  const [next, setNext] = useState('');
  const { busy, error, run } = useAction();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await run(() => client.api.changePassword({ body: { old, new: next } }))) {
      toast(t('password_changed'));
      setOld('');
      setNext('');
    }
  };
  return (
    <section>
      <h2>{t('change_password')}</h2>
      <form onSubmit={(event) => void submit(event)}>
        <PasswordField
          label={t('old_password')}
          autoComplete="current-password"
          required
          value={old}
          onChange={(event) => setOld(event.target.value)}
        />
        <PasswordField
          label={t('new_password')}
          hint={t('password_hint')}
          autoComplete="new-password"
          required
          minLength={8}
          maxLength={128}
          value={next}
          onChange={(event) => setNext(event.target.value)}
        />
        <FormError text={error} />
        <button className="button" disabled={busy}>
          {t('change_password')}
        </button>
      </form>
    </section>
  );
}

function Notifications({ preferences, onChange }: { preferences: Record<string, boolean>; onChange: () => void }) {
  const { t } = useWords();
  const client = useBoxroom();
  const [current, setCurrent] = useState(preferences);
  const { run } = useAction(true);
  const change = async (kind: string, isOn: boolean) => {
    const next = { ...current, [kind]: isOn };
    setCurrent(next);
    if (await run(() => client.api.setNotificationPreferences({ body: { preferences: next } }))) onChange();
    else setCurrent(current);
  };
  return (
    <section>
      <h2>{t('notifications')}</h2>
      <p className="quiet">{t('notifications_lead')}</p>
      <ul className="checks">
        {KINDS.map((kind) => (
          <li key={kind}>
            <label className="check">
              <input
                type="checkbox"
                checked={current[kind] ?? true}
                onChange={(event) => void change(kind, event.target.checked)}
              />
              {t(`pref_${kind}`)}
            </label>
          </li>
        ))}
      </ul>
    </section>
  );
}

function QuietHours({
  hours,
  onChange,
}: {
  hours: { from: string; to: string; time_zone: string } | null;
  onChange: () => void;
}) {
  const { t } = useWords();
  const client = useBoxroom();
  const zone = hours?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const [isOn, setOn] = useState(hours !== null);
  const [from, setFrom] = useState(hours?.from ?? '22:00');
  const [to, setTo] = useState(hours?.to ?? '07:00');
  const { busy, error, run } = useAction();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const work = isOn
      ? () => client.api.setQuietHours({ body: { from, to, time_zone: zone } })
      : () => client.api.removeQuietHours();
    if (await run(work)) {
      toast(t('saved'));
      onChange();
    }
  };
  return (
    <section>
      <h2>{t('quiet_hours')}</h2>
      <p className="quiet">{t('quiet_lead')}</p>
      <form onSubmit={(event) => void submit(event)}>
        <label className="check">
          <input type="checkbox" checked={isOn} onChange={(event) => setOn(event.target.checked)} />
          {t('quiet_on')}
        </label>
        {isOn && (
          <>
            <div className="row">
              <Field
                label={t('from')}
                type="time"
                required
                value={from}
                onChange={(event) => setFrom(event.target.value)}
              />
              <Field label={t('to')} type="time" required value={to} onChange={(event) => setTo(event.target.value)} />
            </div>
            <p className="small quiet">{t('time_zone', { zone })}</p>
          </>
        )}
        <FormError text={error} />
        <button className="button" disabled={busy}>
          {t('save')}
        </button>
      </form>
    </section>
  );
}

function Privacy({ isShared, onChange }: { isShared: boolean; onChange: () => void }) {
  const { t } = useWords();
  const client = useBoxroom();
  const { busy, run } = useAction(true);
  const blocked = useLoad('blocks', () => client.api.listMyBlocks({ limit: 200 }));
  return (
    <section>
      <h2>{t('privacy')}</h2>
      <label className="check">
        <input
          type="checkbox"
          checked={isShared}
          disabled={busy}
          onChange={(event) => {
            const shared = event.target.checked;
            void run(() => client.api.shareReadMarkers({ body: { shared } })).then(onChange);
          }}
        />
        {t('share_markers')}
      </label>
      <h3>{t('blocked_users')}</h3>
      {blocked.data?.items.length === 0 && <p className="quiet">{t('no_blocked')}</p>}
      <ul className="plain-list">
        {blocked.data?.items.map(({ user_id, nickname }) => (
          <li key={user_id} className="row between">
            <span>{nickname ?? user_id}</span>
            <button
              type="button"
              className="button small"
              disabled={busy}
              onClick={() => void run(() => client.api.unblockUser({ user: user_id })).then(blocked.reload)}
            >
              {t('unblock')}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Sessions({ session }: { session: PageSession }) {
  const { t, language } = useWords();
  const client = useBoxroom();
  const { data, reload, isLoading } = useLoad('sessions', () => client.api.listSessions());
  const { busy, run } = useAction(true);
  return (
    <section>
      <h2>{t('sessions')}</h2>
      {isLoading && <Loading />}
      <ul className="plain-list">
        {data?.items.map(({ id, device, user_agent, current, last_used_at }) => {
          const name = device ?? user_agent ?? t('unknown_device');
          return (
            <li key={id} className="row between">
              <span className="session">
                <span>{name}</span>
                <span className="small quiet">
                  {current ? t('this_session') : t('session_used', { time: dateTimeOf(language, last_used_at) })}
                </span>
              </span>
              {!current && (
                <button
                  type="button"
                  className="button small"
                  aria-label={t('end_session_of', { name })}
                  disabled={busy}
                  onClick={() => void run(() => client.api.endSession({ session: id })).then(reload)}
                >
                  {t('end_session')}
                </button>
              )}
            </li>
          );
        })}
      </ul>
      <button
        type="button"
        className="button danger"
        disabled={busy}
        onClick={() =>
          void run(async () => {
            await client.api.closeAllSessions();
            clearBegun();
            await session.signOut();
          })
        }
      >
        {t('end_all_sessions')}
      </button>
    </section>
  );
}

function YourData({ session }: { session: PageSession }) {
  const { t } = useWords();
  const chat = useChat();
  const { busy, run } = useAction(true);
  const [isAsked, setAsked] = useState(false);
  const download = () =>
    run(async () => {
      toast(t('exporting'));
      const text = await exported(chat.client);
      const url = URL.createObjectURL(new Blob([text], { type: 'application/x-ndjson' }));
      const link = document.createElement('a');
      link.href = url;
      link.download = `boxroom-${chat.userId}.ndjson`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    });
  return (
    <section>
      <h2>{t('your_data')}</h2>
      <p className="quiet">{t('export_lead')}</p>
      <button type="button" className="button" disabled={busy} onClick={() => void download()}>
        {t('export')}
      </button>
      <h3>{t('erase_title')}</h3>
      <p className="quiet">{t('erase_lead')}</p>
      <button type="button" className="button danger" onClick={() => setAsked(true)}>
        {t('erase')}
      </button>
      {isAsked && <EraseDialog session={session} onClose={() => setAsked(false)} />}
    </section>
  );
}

/** Reads the export as JSON lines. */
async function exported(client: ReturnType<typeof useBoxroom>): Promise<string> {
  const lines: string[] = [];
  for await (const line of client.exportMe()) {
    if (line.type !== 'cursor') lines.push(JSON.stringify(line));
  }
  return [...lines, ''].join('\n');
}

function EraseDialog({ session, onClose }: { session: PageSession; onClose: () => void }) {
  const { t } = useWords();
  const chat = useChat();
  const [password, setPassword] = useState('');
  const { busy, error, run } = useAction();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      await chat.client.api.eraseUser({ body: { password } });
      await chat.clear().catch(() => {});
      clearBegun();
      await session.signOut();
    });
  };
  return (
    <Dialog title={t('erase_title')} onClose={onClose} className="narrow">
      <form onSubmit={submit}>
        <p>{t('erase_lead')}</p>
        <PasswordField
          label={t('password')}
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <FormError text={error} />
        <div className="row end">
          <button type="button" className="button" onClick={onClose}>
            {t('cancel')}
          </button>
          <button className="button danger" disabled={busy}>
            {t('erase_confirm')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
