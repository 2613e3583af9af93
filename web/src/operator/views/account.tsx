/** The account of the operator: appearance, password and sign-out. */

import { useState, type FormEvent } from 'react';
import { setTheme, theme, type Language, type Theme } from '../../lib/preferences.js';
import type { PageSession } from '../../lib/session.js';
import { useWords } from '../../texts/index.js';
import { Choice, FormError, PasswordField } from '../../ui/parts.js';
import { toast } from '../../ui/toasts.js';
import { useServices, useTexts } from '../context.js';
import { useTask } from '../hooks.js';
import { Facts, Section, View } from '../parts.js';

/** The account. */
export function AccountView({ session }: { session: PageSession }) {
  const { t } = useTexts();
  const { t: page, language, set } = useWords();
  const { staff } = useServices();
  const [shown, setShown] = useState(theme);
  return (
    <View title={t('account')}>
      <Section
        title={t('details')}
        actions={
          <button type="button" className="button small" onClick={() => void session.signOut()}>
            {page('sign_out')}
          </button>
        }
      >
        <Facts
          facts={[
            [t('id'), staff.userId],
            [t('role'), t(`role_${staff.role}`)],
            [t('access'), staff.isPrinted ? t('access_printed') : t('access_session')],
          ]}
        />
      </Section>
      <Section title={page('appearance')}>
        <Choice<Language>
          label={page('language_label')}
          value={language}
          options={[
            ['en', 'English'],
            ['ko', '한국어'],
          ]}
          onChange={set}
        />
        <Choice<Theme>
          label={page('theme_label')}
          value={shown}
          options={[
            ['auto', page('theme_auto')],
            ['light', page('theme_light')],
            ['dark', page('theme_dark')],
          ]}
          onChange={(next) => {
            setTheme(next);
            setShown(next);
          }}
        />
      </Section>
      {!staff.isPrinted && <Password />}
    </View>
  );
}

function Password() {
  const { t } = useWords();
  const { api } = useServices();
  const [old, setOld] = useState('');
  const [next, setNext] = useState('');
  const { busy, error, run } = useTask();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await run(() => api.changePassword({ body: { old, new: next } }))) {
      toast(t('password_changed'));
      setOld('');
      setNext('');
    }
  };
  return (
    <Section title={t('change_password')}>
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
    </Section>
  );
}
