/** Language, theme, nickname and password. */

import { useBoxroom } from '@boxroom/react';
import { useState, type FormEvent } from 'react';
import { useAction } from '../../lib/hooks.js';
import { setTheme, theme, type Language, type Theme } from '../../lib/preferences.js';
import { useWords } from '../../texts/index.js';
import { Choice, Field, FormError, PasswordField } from '../../ui/parts.js';
import { toast } from '../../ui/toasts.js';

/** Language and theme of this device. */
export function Appearance() {
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

/** The nickname. */
export function Profile({ userId, nickname, onChange }: { userId: string; nickname: string; onChange: () => void }) {
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

/** The change of the password. */
export function Password() {
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
