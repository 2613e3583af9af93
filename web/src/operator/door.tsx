/** The way to the operators' views: a sign-in, or a printed token. */

import { useState, type FormEvent } from 'react';
import { useTitle } from '../lib/hooks.js';
import { hrefOf } from '../lib/router.js';
import type { PageSession } from '../lib/session.js';
import { useWords } from '../texts/index.js';
import { Field, FormError, PasswordField } from '../ui/parts.js';
import { useTexts } from './context.js';
import { useTask } from './hooks.js';
import { LongField } from './parts.js';

/** The forms. A user who is signed in learns that the account has no role for these views. */
export function Door({ session, user, ended }: { session: PageSession; user: string | undefined; ended: boolean }) {
  const { t } = useTexts();
  const { t: page, language, set } = useWords();
  useTitle(t('operators'));
  return (
    <main className="door ops-door">
      <div className="door-card">
        <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width="56" height="56" />
        <h1>{t('operators')}</h1>
        {ended && <p className="note">{page('session_ended')}</p>}
        {user === undefined ? <SignIn session={session} /> : <NoRole session={session} user={user} />}
        <PrintedToken session={session} />
      </div>
      <p className="door-other">
        <a href={hrefOf({ name: 'rooms' })}>{t('to_rooms')}</a>
      </p>
      <button
        type="button"
        className="link-button"
        lang={language === 'en' ? 'ko' : 'en'}
        onClick={() => set(language === 'en' ? 'ko' : 'en')}
      >
        {language === 'en' ? '한국어' : 'English'}
      </button>
    </main>
  );
}

function NoRole({ session, user }: { session: PageSession; user: string }) {
  const { t } = useTexts();
  const { t: page } = useWords();
  return (
    <div className="stack">
      <p className="note" role="alert">
        {t('no_role', { user })}
      </p>
      <button type="button" className="button wide" onClick={() => void session.signOut()}>
        {page('sign_out')}
      </button>
    </div>
  );
}

function SignIn({ session }: { session: PageSession }) {
  const { t } = useTexts();
  const { t: page } = useWords();
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const { busy, error, run } = useTask();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(() => session.signIn(user.trim().toLowerCase(), password));
  };
  return (
    <>
      <p className="lead">{t('sign_in_lead')}</p>
      <form onSubmit={submit}>
        <Field
          label={page('user_id')}
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          value={user}
          onChange={(event) => setUser(event.target.value)}
        />
        <PasswordField
          label={page('password')}
          name="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <FormError text={error} />
        <button className="button primary wide" disabled={busy}>
          {page('sign_in')}
        </button>
      </form>
    </>
  );
}

function PrintedToken({ session }: { session: PageSession }) {
  const { t } = useTexts();
  const [token, setToken] = useState('');
  const { busy, error, run } = useTask();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(() => session.usePrinted(token.trim()));
  };
  return (
    <details className="ops-token">
      <summary>{t('printed_token')}</summary>
      <form onSubmit={submit}>
        <LongField
          label={t('token')}
          hint={t('token_hint')}
          required
          autoCapitalize="none"
          autoComplete="off"
          spellCheck={false}
          value={token}
          onChange={(event) => setToken(event.target.value)}
        />
        <FormError text={error} />
        <button className="button wide" disabled={busy}>
          {t('use_token')}
        </button>
      </form>
    </details>
  );
}
