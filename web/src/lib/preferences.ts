/** Choices that belong to this device: language, theme, and texts that are not sent yet. */

/** The languages of the page. */
export type Language = 'en' | 'ko';

/** The colours of the page; `auto` follows the system. */
export type Theme = 'auto' | 'light' | 'dark';

function read(key: string): string | null {
  try {
    return localStorage.getItem(`boxroom.${key}`);
  } catch {
    return null;
  }
}

function write(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(`boxroom.${key}`);
    else localStorage.setItem(`boxroom.${key}`, value);
  } catch {
    // Without a place the choice holds until the reload.
  }
}

/** The chosen language, or that of the browser. */
export function language(): Language {
  const chosen = read('language') ?? navigator.languages.find((tag) => /^(en|ko)\b/i.test(tag)) ?? 'en';
  return /^ko/i.test(chosen) ? 'ko' : 'en';
}

export function setLanguage(next: Language): void {
  write('language', next);
}

export function theme(): Theme {
  const chosen = read('theme');
  return chosen === 'light' || chosen === 'dark' ? chosen : 'auto';
}

export function setTheme(next: Theme): void {
  write('theme', next === 'auto' ? undefined : next);
  applyTheme(next);
}

/** Shows a theme. */
export function applyTheme(next: Theme): void {
  if (next === 'auto') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = next;
}

/** A text that was begun, and the message that it replies to. */
export interface Begun {
  body: string;
  replyTo?: string;
}

/** The text that was begun in a room. */
export function begun(userId: string, roomId: string): Begun {
  const text = read(`begun.${userId}.${roomId}`);
  try {
    return text === null ? { body: '' } : (JSON.parse(text) as Begun);
  } catch {
    return { body: '' };
  }
}

export function setBegun(userId: string, roomId: string, { body, replyTo }: Begun): void {
  const isEmpty = body === '' && replyTo === undefined;
  write(`begun.${userId}.${roomId}`, isEmpty ? undefined : JSON.stringify({ body, replyTo }));
}

/** Removes all texts that were begun, as at a sign-out. */
export function clearBegun(): void {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith('boxroom.begun.')) localStorage.removeItem(key);
  } catch {
    // There is no place, and nothing in it.
  }
}

/** The last chosen location, as `latitude,longitude`. */
export function place(): string | undefined {
  return read('place') ?? undefined;
}

export function setPlace(next: string | undefined): void {
  write('place', next);
}
