/** The texts of the page, in the language of the user. */

import { createContext, useContext, useMemo, useState, type ReactNode } from 'react';
import { language, setLanguage, type Language } from '../lib/preferences.js';
import { en } from './en.js';
import { ko } from './ko.js';

/** Forms of a text by the plural categories of its language. */
export type Forms = { readonly [C in Intl.LDMLPluralRule]?: string } & { readonly other: string };

/** Texts with the keys of English. */
export type Translated<E> = { readonly [K in keyof E]: E[K] extends string ? string : Forms };

/** The keys of texts without a number. */
export type PlainKey<E> = { [K in keyof E]: E[K] extends string ? K : never }[keyof E];

/** All texts of a language. Every language has the keys of English. */
export type Texts = Translated<typeof en>;

/** The keys of texts. */
export type TextKey = PlainKey<typeof en>;

/** The keys of texts with a number. */
export type CountKey = Exclude<keyof typeof en, TextKey>;

const ALL: Record<Language, Texts> = { en, ko };

/** Values for the places in braces. */
export type Values = Readonly<Record<string, string | number>>;

/** The functions of a language for texts with keys `T`, and for those with a number with keys `N`. */
export interface Lookup<T extends string, N extends string> {
  language: Language;
  /** A text. */
  t: (key: T, values?: Values) => string;
  /** A text with a number, which is also the place `{count}`. */
  n: (key: N, count: number, values?: Values) => string;
  /** Returns true if there is a text of this key. */
  has: (key: string) => key is T;
}

/** The functions of a language. */
export interface Words extends Lookup<TextKey, CountKey> {
  set: (language: Language) => void;
}

/** Returns the functions of a language for some texts. */
export function lookup<T extends string, N extends string>(
  language: Language,
  texts: Readonly<Record<T, string> & Record<N, Forms>>,
): Lookup<T, N> {
  const rules = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  const fill = (text: string, values: Values = {}) =>
    text.replace(/\{(\w+)\}/g, (place, name: string) => isolated(String(values[name] ?? place)));
  return {
    language,
    t: (key, values) => fill(texts[key], values),
    n: (key, count, values) => {
      const forms: Forms = texts[key];
      return fill(forms[rules.select(count)] ?? forms.other, { count: numbers.format(count), ...values });
    },
    has: (key): key is T => typeof (texts as Record<string, unknown>)[key] === 'string',
  };
}

/** Returns the text such that letters from right to left do not change the order of the words around it. */
function isolated(text: string): string {
  return /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/.test(text) ? `\u2068${text}\u2069` : text;
}

const Context = createContext<Words | undefined>(undefined);

/** Gives the language of the user to the page. */
export function WordsProvider({ children }: { children: ReactNode }) {
  const [current, setCurrent] = useState(language);
  const words = useMemo(() => {
    document.documentElement.lang = current;
    const set = (next: Language) => {
      setLanguage(next);
      setCurrent(next);
    };
    return { ...lookup<TextKey, CountKey>(current, ALL[current]), set };
  }, [current]);
  return <Context.Provider value={words}>{children}</Context.Provider>;
}

/** The texts in the language of the user. */
export function useWords(): Words {
  const words = useContext(Context);
  if (!words) throw new Error('there is no WordsProvider');
  return words;
}
