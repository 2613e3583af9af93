/** The end of a suspension. */

import { Choice } from '../../ui/parts.js';
import { useTexts } from '../context.js';

const DAY_MS = 86_400_000;
const DAYS = { day: 1, week: 7, month: 30, year: 365 } as const;

/** The time for which a user is suspended. */
export type Span = keyof typeof DAYS | 'ever';

/** Returns the end of a suspension that begins now; null if it has none. */
export function endOf(span: Span, now: number): string | null {
  return span === 'ever' ? null : new Date(now + DAYS[span] * DAY_MS).toISOString();
}

/** The choice of a time span. */
export function SuspensionEnd({ value, onChange }: { value: Span; onChange: (value: Span) => void }) {
  const { t } = useTexts();
  return (
    <Choice
      label={t('suspended_for')}
      value={value}
      options={[
        ['day', t('span_day')],
        ['week', t('span_week')],
        ['month', t('span_month')],
        ['year', t('span_year')],
        ['ever', t('span_ever')],
      ]}
      onChange={onChange}
    />
  );
}
