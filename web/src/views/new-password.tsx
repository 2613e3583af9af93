/** Replacing a lost password with a token from an operator. */

import { useState, type FormEvent } from 'react';
import { useAction } from '../lib/hooks.js';
import { go, hrefOf } from '../lib/router.js';
import type { PageSession } from '../lib/session.js';
import { useWords } from '../texts/index.js';
import { Door } from '../ui/door.js';
import { Field, FormError, PasswordField } from '../ui/parts.js';
import { toast } from '../ui/toasts.js';

/** The view. Without a token in the address the user enters it. */
export function NewPassword({ session, token: given }: { session: PageSession; token: string | undefined }) {
  const { t } = useWords();
  const [token, setToken] = useState(given ?? '');
  const [password, setPassword] = useState('');
  const { busy, error, run } = useAction();
  const user = userOf(token);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const body = { reset_token: token.trim(), password };
    if (!(await run(() => session.client.api.redeemPasswordReset({ body })))) return;
    toast(t('password_set_note'));
    // All sessions of the user have ended; those of another user have not.
    go({ name: 'sign-in', user }, true);
  };
  return (
    <Door title={t('new_password_title')}>
      <p className="lead">{t(given === undefined ? 'lost_password_lead' : 'new_password_lead', { user })}</p>
      <form onSubmit={(event) => void submit(event)}>
        {given === undefined && (
          <Field
            label={t('reset_token')}
            autoComplete="one-time-code"
            autoCapitalize="none"
            spellCheck={false}
            required
            value={token}
            onChange={(event) => setToken(event.target.value)}
          />
        )}
        <input type="hidden" name="username" autoComplete="username" value={user} />
        <PasswordField
          label={t('new_password')}
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
          {t('password_set')}
        </button>
      </form>
      <p className="door-other">
        <a href={hrefOf({ name: 'sign-in' })}>{t('sign_in')}</a>
      </p>
    </Door>
  );
}

/** Returns the user of a token, which begins with the id. */
function userOf(token: string): string {
  return token.trim().split('.')[0] ?? '';
}
