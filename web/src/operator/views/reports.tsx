/** The queue of reports. */

import { useState } from 'react';
import { useWords } from '../../texts/index.js';
import { Entry, Listed, Mark, Moment, Tabs, View } from '../parts.js';
import { useServices, useTexts } from '../context.js';
import { usePages } from '../hooks.js';
import { at } from '../routes.js';

type State = 'open' | 'claimed' | 'closed' | 'all';

/** The reports in a state, the oldest first. */
export function ReportsView() {
  const { t } = useTexts();
  const { t: page } = useWords();
  const { api } = useServices();
  const [state, setState] = useState<State>('open');
  const reports = usePages(`reports ${state}`, (cursor) =>
    api.listReports({ ...(state === 'all' ? {} : { state }), ...(cursor ? { cursor } : {}) }),
  );
  return (
    <View title={t('reports')}>
      <Tabs
        label={t('state')}
        value={state}
        options={[
          ['open', t('report_open')],
          ['claimed', t('report_claimed')],
          ['closed', t('report_closed')],
          ['all', t('all')],
        ]}
        onChange={setState}
      />
      <Listed pages={reports} label={t('reports')} empty={t('no_reports')} icon="bell">
        {(report) => (
          <Entry
            key={report.report_id}
            href={at('reports', report.report_id)}
            title={report.text ?? report.note ?? t(report.forgotten ? 'report_forgotten' : 'report_about_user')}
            end={
              <>
                <Mark tone={report.state === 'open' ? 'warn' : report.state === 'claimed' ? 'good' : 'plain'}>
                  {t(`report_${report.state}`)}
                </Mark>
                <span className="small quiet">
                  <Moment at={report.filed_at} />
                </span>
              </>
            }
          >
            {[
              categoryText(report.category, page, t),
              report.nickname ?? report.user_id,
              report.room_id,
              report.moderator && t('by_moderator', { user: report.moderator }),
            ]
              .filter(Boolean)
              .join(' · ')}
          </Entry>
        )}
      </Listed>
    </View>
  );
}

/** The category of the report about a message that a filter holds back. */
export const HELD = 'held';

/** The reason of a report, in the words of its form. */
export function categoryText(
  category: string,
  t: ReturnType<typeof useWords>['t'],
  ops: ReturnType<typeof useTexts>['t'],
): string {
  if (category === HELD) return ops('held_message');
  const known = ['spam', 'harassment', 'hate', 'sexual', 'violence', 'illegal', 'other'] as const;
  const found = known.find((name) => name === category);
  return found ? t(`report_${found}`) : category;
}
