/** Signing in, and creating an account. */

import { useState, type FormEvent } from 'react';
import { useAction, useTitle } from '../lib/hooks.js';
import { hrefOf } from '../lib/router.js';
import type { PageSession } from '../lib/session.js';
import { useWords } from '../texts/index.js';
import { Field, FormError, PasswordField } from '../ui/parts.js';

function Door({ title, children }: { title: string; children: React.ReactNode }) {
  const { t, language, set } = useWords();
  useTitle(title);
  return (
    <main className="door">
      <div className="door-card">
        <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width="56" height="56" />
        <h1>{title}</h1>
        {children}
      </div>
      <button
        type="button"
        className="link-button"
        lang={language === 'en' ? 'ko' : 'en'}
        onClick={() => set(language === 'en' ? 'ko' : 'en')}
      >
        {language === 'en' ? '한국어' : 'English'}
      </button>
      <p className="hidden">{t('app')}</p>
    </main>
  );
}

/** The form of the sign-in. */
export function SignIn({ session, ended }: { session: PageSession; ended: boolean }) {
  const { t } = useWords();
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const { busy, error, run } = useAction();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(() => session.signIn(user.trim().toLowerCase(), password));
  };
  return (
    <Door title={t('sign_in_title')}>
      <p className="lead">{t('sign_in_lead')}</p>
      {ended && <p className="note">{t('session_ended')}</p>}
      <form onSubmit={submit}>
        <Field
          label={t('user_id')}
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          value={user}
          onChange={(event) => setUser(event.target.value)}
        />
        <PasswordField
          label={t('password')}
          name="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <FormError text={error} />
        <button className="button primary wide" disabled={busy}>
          {t('sign_in')}
        </button>
      </form>
      <p className="door-other">
        {t('no_account')} <a href={hrefOf({ name: 'sign-up' })}>{t('sign_up')}</a>
      </p>
    </Door>
  );
}

/** Returns a name for the sign-in that resembles a nickname. */
function suggested(nickname: string): string {
  const plain = nickname
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-');
  return plain.replace(/^-+|-+$/g, '').slice(0, 40);
}

/** The form of a new account. */
export function SignUp({ session }: { session: PageSession }) {
  const { t } = useWords();
  const [nickname, setNickname] = useState('');
  const [user, setUser] = useState<string>();
  const [password, setPassword] = useState('');
  const { busy, error, run } = useAction();
  const userId = user ?? suggested(nickname);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(() => session.signUp(userId, nickname, password));
  };
  return (
    <Door title={t('sign_up_title')}>
      <form onSubmit={submit}>
        <Field
          label={t('nickname')}
          hint={t('nickname_hint')}
          name="nickname"
          autoComplete="nickname"
          required
          maxLength={40}
          value={nickname}
          onChange={(event) => setNickname(event.target.value)}
        />
        <Field
          label={t('user_id')}
          hint={t('user_id_hint')}
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          pattern="[a-z0-9][a-z0-9_\-]{0,39}"
          value={userId}
          onChange={(event) => setUser(event.target.value.toLowerCase())}
        />
        <PasswordField
          label={t('password')}
          hint={t('password_hint')}
          name="password"
          autoComplete="new-password"
          required
          minLength={8}
          maxLength={128}
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <FormError text={error} />
        <button className="button primary wide" disabled={busy}>
          {t('sign_up')}
        </button>
      </form>
      <p className="door-other">
        {t('have_account')} <a href={hrefOf({ name: 'sign-in' })}>{t('sign_in')}</a>
      </p>
    </Door>
  );
}
