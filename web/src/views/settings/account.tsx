/** Privacy, sessions, and the data of the user. */

import { useBoxroom, useChat } from '@boxroom/react';
import { useState, type FormEvent } from 'react';
import { useAction, useLoad } from '../../lib/hooks.js';
import { clearBegun } from '../../lib/preferences.js';
import type { PageSession } from '../../lib/session.js';
import { dateTimeOf } from '../../lib/time.js';
import { useWords } from '../../texts/index.js';
import { Dialog, FormError, Loading, PasswordField } from '../../ui/parts.js';
import { toast } from '../../ui/toasts.js';

/** Read markers and blocked users. */
export function Privacy({ isShared, onChange }: { isShared: boolean; onChange: () => void }) {
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

/** The sessions of the user. */
export function Sessions({ session }: { session: PageSession }) {
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

/** The download of all data, and the deletion of the account. */
export function YourData({ session }: { session: PageSession }) {
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
