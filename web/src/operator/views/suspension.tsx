/** The time of a suspension. */

import { Choice } from '../../ui/parts.js';
import { useTexts } from '../context.js';
import type { Span } from '../forms.js';

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
