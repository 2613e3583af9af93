/** The page of the link that confirms a registration. */

import { Problem } from '@boxroom/client';
import { useState, type FormEvent } from 'react';
import { useAction } from '../lib/hooks.js';
import { hrefOf } from '../lib/router.js';
import type { PageSession } from '../lib/session.js';
import { useWords } from '../texts/index.js';
import { Door } from '../ui/door.js';
import { Field, FormError } from '../ui/parts.js';

/** Problems after which another nickname helps. */
const NICKNAME = ['nickname-taken', 'refused-by-filter'];

/** The view. The token is sent when the user presses the button: scanners of mails open links too. */
export function Confirmation({ session, token }: { session: PageSession; token: string | undefined }) {
  const { t } = useWords();
  const [nickname, setNickname] = useState<string>();
  const [user, setUser] = useState<string>();
  const [isOver, setOver] = useState(token === undefined);
  const { busy, error, run } = useAction();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      try {
        const other = nickname ? { nickname } : {};
        const { id } = await session.client.api.confirmRegistration({ body: { token: token ?? '', ...other } });
        setUser(id);
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        // A mutilated token is not valid either.
        const isOfToken = problem.errors.some(({ pointer }) => pointer === '/token');
        if (isOfToken || problem.code === 'invalid-confirmation') return setOver(true);
        if (NICKNAME.includes(problem.code)) setNickname((last) => last ?? '');
        throw problem;
      }
    });
  };
  if (user !== undefined) {
    return (
      <Door title={t('confirmed')}>
        <p role="status">{t('confirmed_lead', { user })}</p>
        <a className="button primary wide" href={hrefOf({ name: 'sign-in', user })}>
          {t('sign_in')}
        </a>
      </Door>
    );
  }
  if (isOver) {
    return (
      <Door title={t('confirm_title')}>
        <p role="alert">{t('problem_invalid_confirmation')}</p>
        <a className="button wide" href={hrefOf({ name: 'sign-up' })}>
          {t('sign_up')}
        </a>
      </Door>
    );
  }
  return (
    <Door title={t('confirm_title')}>
      <p className="lead">{t('confirm_lead')}</p>
      <form onSubmit={submit}>
        {nickname !== undefined && (
          <Field
            label={t('nickname')}
            hint={t('confirm_nickname')}
            name="nickname"
            autoComplete="nickname"
            required
            autoFocus
            maxLength={40}
            value={nickname}
            onChange={(event) => setNickname(event.target.value)}
          />
        )}
        <FormError text={error} />
        <button className="button primary wide" disabled={busy}>
          {t('confirm')}
        </button>
      </form>
    </Door>
  );
}
