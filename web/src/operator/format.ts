/** Numbers and times of the operators' views. */

import type { Language } from '../lib/preferences.js';

/** A number with its separators. */
export function numberOf(language: Language, value: number | null | undefined): string {
  return value === null || value === undefined ? '?' : new Intl.NumberFormat(language).format(value);
}

/** A rate in events per second: without decimals from 10 on. */
export function rateOf(language: Language, rate: number | undefined): string {
  if (rate === undefined) return '–';
  return new Intl.NumberFormat(language, { maximumFractionDigits: rate > 0 && rate < 10 ? 1 : 0 }).format(rate);
}

/** A part of a whole in percent. Only the whole is 100 %. */
export function percentOf(language: Language, done: number, total: number): string {
  const part = total <= 0 ? 1 : done >= total ? 1 : Math.min(done / total, 0.999);
  return new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: part < 1 ? 1 : 0 }).format(part);
}

const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const;

/** A time span of at most two units: `2 hr, 5 min`. */
export function durationOf(language: Language, seconds: number): string {
  let rest = Math.max(0, Math.round(seconds));
  const parts: string[] = [];
  for (const [index, [unit, size]] of UNITS.entries()) {
    const count = Math.floor(rest / size);
    if (count === 0 && !(unit === 'second' && parts.length === 0)) {
      // A gap between two units would be misread.
      if (parts.length > 0) break;
      continue;
    }
    rest -= count * size;
    parts.push(new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'short' }).format(count));
    if (parts.length === 2 || index === UNITS.length - 1) break;
  }
  return parts.join(' ');
}

/** A number of bytes. */
export function bytesOf(language: Language, bytes: number): string {
  const isLarge = bytes >= 1024;
  return new Intl.NumberFormat(language, {
    style: 'unit',
    unit: isLarge ? 'kilobyte' : 'byte',
    unitDisplay: 'short',
    maximumFractionDigits: 1,
  }).format(isLarge ? bytes / 1024 : bytes);
}

/** The value of an input of date and time as RFC 3339; null if it is empty. */
export function momentOf(local: string): string | null {
  const at = new Date(local);
  return local === '' || Number.isNaN(at.getTime()) ? null : at.toISOString();
}

/** A time as the value of an input of date and time. */
export function localOf(at: Date): string {
  const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}
