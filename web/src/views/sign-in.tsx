/** Signing in. */

import { useState, type FormEvent } from 'react';
import { useAction } from '../lib/hooks.js';
import { hrefOf } from '../lib/router.js';
import type { PageSession } from '../lib/session.js';
import { useWords } from '../texts/index.js';
import { Door } from '../ui/door.js';
import { Field, FormError, PasswordField } from '../ui/parts.js';

/** The form of the sign-in. */
export function SignIn({ session, ended, user: known }: { session: PageSession; ended: boolean; user: string }) {
  const { t } = useWords();
  const [user, setUser] = useState(known);
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
      <p className="door-other">
        <a href={hrefOf({ name: 'new-password' })}>{t('lost_password')}</a>
      </p>
    </Door>
  );
}
