/** Creating an account. */

import { Problem } from '@boxroom/client';
import { useState, type FormEvent } from 'react';
import { useAction } from '../lib/hooks.js';
import { hrefOf } from '../lib/router.js';
import type { Newcomer, PageSession } from '../lib/session.js';
import { dateTimeOf } from '../lib/time.js';
import { useWords } from '../texts/index.js';
import { Door } from '../ui/door.js';
import { Field, FormError, PasswordField } from '../ui/parts.js';

/** Returns a name for the sign-in that resembles a nickname. */
function suggested(nickname: string): string {
  const plain = nickname
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-');
  return plain.replace(/^-+|-+$/g, '').slice(0, 40);
}

/** A registration that waits until its link is opened. */
interface Waiting {
  newcomer: Newcomer;
  until: string;
}

/**
 * The form of a new account. Some installations demand an invitation or an e-mail address: these fields appear when the
 * service asks for them, or with the link of an invitation.
 */
export function SignUp({ session, invitation: given }: { session: PageSession; invitation: string | undefined }) {
  const { t } = useWords();
  const [nickname, setNickname] = useState('');
  const [user, setUser] = useState<string>();
  const [password, setPassword] = useState('');
  const [invitation, setInvitation] = useState(given);
  const [contact, setContact] = useState<string>();
  const [waiting, setWaiting] = useState<Waiting>();
  const { busy, error, run, setError } = useAction();
  const userId = user ?? suggested(nickname);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const newcomer: Newcomer = {
      user_id: userId,
      nickname,
      password,
      ...(invitation ? { invitation: tokenOf(invitation) } : {}),
      ...(contact ? { contact: contact.trim() } : {}),
    };
    let isAsked = false;
    await run(async () => {
      try {
        const result = await session.signUp(newcomer);
        if (result) setWaiting({ newcomer, until: result.confirmUntil });
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        const demandsInvitation = problem.code === 'invalid-invitation' && invitation === undefined;
        const demandsContact = contact === undefined && problem.errors.some(({ pointer }) => pointer === '/contact');
        if (demandsInvitation) setInvitation('');
        if (demandsContact) setContact('');
        isAsked = demandsInvitation || demandsContact;
        if (!isAsked) throw problem;
      }
    });
    if (isAsked) setError(t('sign_up_more'));
  };
  if (waiting) return <CheckMail session={session} waiting={waiting} onBack={() => setWaiting(undefined)} />;
  return (
    <Door title={t('sign_up_title')}>
      <form onSubmit={(event) => void submit(event)}>
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
        {invitation !== undefined && (
          <Field
            label={t('account_invitation')}
            hint={t('account_invitation_hint')}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            required
            autoFocus={given === undefined}
            value={invitation}
            onChange={(event) => setInvitation(event.target.value)}
          />
        )}
        {contact !== undefined && (
          <Field
            label={t('contact')}
            hint={t('contact_hint')}
            type="email"
            autoComplete="email"
            required
            autoFocus={invitation !== ''}
            value={contact}
            onChange={(event) => setContact(event.target.value)}
          />
        )}
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

/** Returns the token of an invitation, which may be given as the whole link. */
function tokenOf(text: string): string {
  return decodeURIComponent(/[?&]invitation=([^&]+)/.exec(text)?.[1] ?? text.trim());
}

/** The note that a link was sent. */
function CheckMail({ session, waiting, onBack }: { session: PageSession; waiting: Waiting; onBack: () => void }) {
  const { t, language } = useWords();
  const { newcomer, until } = waiting;
  const [isSent, setSent] = useState(false);
  const { busy, error, run } = useAction();
  const again = async () => {
    setSent(await run(() => session.signUp(newcomer)));
  };
  return (
    <Door title={t('check_mail')}>
      <p>{t('check_mail_lead', { contact: newcomer.contact ?? '', time: dateTimeOf(language, until) })}</p>
      <p className="quiet">{t('check_mail_again')}</p>
      <FormError text={error} />
      <div role="status">{isSent && <p className="note">{t('check_mail_sent')}</p>}</div>
      <button type="button" className="button wide" disabled={busy} onClick={() => void again()}>
        {t('send_again')}
      </button>
      <p className="door-other">
        <button type="button" className="link-button" onClick={onBack}>
          {t('change_contact')}
        </button>
      </p>
      <p className="door-other">
        <a href={hrefOf({ name: 'sign-in', user: newcomer.user_id })}>{t('sign_in')}</a>
      </p>
    </Door>
  );
}
