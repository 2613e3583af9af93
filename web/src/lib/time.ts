/** Times as people read them. */

import type { Language } from './preferences.js';

const formats = new Map<string, Intl.DateTimeFormat>();

/** The browser's form of a language, for example with 24 hours. */
function localeOf(language: Language): string {
  return navigator.languages.find((tag) => tag.toLowerCase().startsWith(language)) ?? language;
}

function format(language: Language, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = language + JSON.stringify(options);
  const known = formats.get(key) ?? new Intl.DateTimeFormat(localeOf(language), options);
  formats.set(key, known);
  return known;
}

/** The time of the day. */
export function timeOf(language: Language, at: string): string {
  return format(language, { hour: 'numeric', minute: '2-digit' }).format(new Date(at));
}

/** Date and time. */
export function dateTimeOf(language: Language, at: string): string {
  return format(language, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at));
}

/** The day, as a key. */
export function dayKey(at: string): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

/** The day: today, yesterday, or the date. */
export function dayOf(language: Language, at: string, now = Date.now()): string {
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  if (dayKey(at) === dayKey(new Date(now).toISOString())) return relative.format(0, 'day');
  if (dayKey(at) === dayKey(new Date(now - 86_400_000).toISOString())) return relative.format(-1, 'day');
  const isThisYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return format(language, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    ...(isThisYear ? {} : { year: 'numeric' }),
  }).format(new Date(at));
}

/** A short time for lists: the time of today, or the date. */
export function shortOf(language: Language, at: string, now = Date.now()): string {
  if (dayKey(at) === dayKey(new Date(now).toISOString())) return timeOf(language, at);
  return format(language, { day: 'numeric', month: 'short' }).format(new Date(at));
}

/** A span of time as hours, minutes and seconds. */
export function spanOf(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const [hours, minutes, rest] = parts.map((part) => String(part).padStart(2, '0'));
  return parts[0] ? `${parts[0]}:${minutes}:${rest}` : hours === '00' ? `${parts[1]}:${rest}` : '';
}

/** A distance in metres or kilometres. */
export function distanceOf(language: Language, metres: number): string {
  const isFar = metres >= 1000;
  const value = isFar ? metres / 1000 : Math.round(metres / 10) * 10;
  const unit = isFar ? 'kilometer' : 'meter';
  return new Intl.NumberFormat(language, { style: 'unit', unit, maximumFractionDigits: isFar ? 1 : 0 }).format(value);
}
