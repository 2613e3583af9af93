/** Values of the operators' forms. */

const DAY_MS = 86_400_000;
const DAYS = { day: 1, week: 7, month: 30, year: 365 } as const;

/** The time for which a user is suspended. */
export type Span = keyof typeof DAYS | 'ever';

/** Returns the end of a suspension that begins now; null if it has none. */
export function endOf(span: Span, now: number): string | null {
  return span === 'ever' ? null : new Date(now + DAYS[span] * DAY_MS).toISOString();
}

/** Splits the types of events in a text. */
export function typesOf(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter((type) => type !== ''))];
}

/** Returns a random secret of 64 characters. */
export function newSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
