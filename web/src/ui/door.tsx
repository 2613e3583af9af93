/** The frame of the views before the sign-in. */

import { useEffect, useRef, type ReactNode } from 'react';
import { hasPointer, useTitle } from '../lib/hooks.js';
import { useWords } from '../texts/index.js';

/** A card with a title, and the choice of the language. */
export function Door({ title, children }: { title: string; children: ReactNode }) {
  const { t, language, set } = useWords();
  const door = useRef<HTMLElement>(null);
  useTitle(title);
  useEffect(() => {
    // The form begins at once with a keyboard. On a phone that would cover it: readers of the screen begin at the title.
    const field = door.current?.querySelector<HTMLInputElement>('form input:not([type=hidden])');
    if (door.current?.contains(document.activeElement)) return;
    (hasPointer() && field ? field : door.current)?.focus({ preventScroll: true });
  }, [title]);
  return (
    <main className="door" ref={door} tabIndex={-1}>
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
