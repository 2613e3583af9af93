/** The frame of the views before the sign-in. */

import type { ReactNode } from 'react';
import { useTitle } from '../lib/hooks.js';
import { useWords } from '../texts/index.js';

/** A card with a title, and the choice of the language. */
export function Door({ title, children }: { title: string; children: ReactNode }) {
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
