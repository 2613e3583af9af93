/** One generation of the read model: its progress, its streams and its actions. */

import { useState } from 'react';
import { useWords } from '../../texts/index.js';
import { useGateway, useTexts } from '../context.js';
import { Opener, TaskDialog } from '../dialogs.js';
import { durationOf, numberOf, percentOf, rateOf } from '../format.js';
import { Facts, Mark, Moment, Section, Table } from '../parts.js';
import type { GenerationReport, State } from '../protocol.js';
import { progressOf, type Rates } from '../rates.js';
import { at } from '../routes.js';

const TONES: Record<State, 'good' | 'warn' | 'plain'> = {
  building: 'warn',
  ready: 'good',
  active: 'good',
  standby: 'plain',
  retired: 'plain',
};

/** A generation with its streams. */
export function Generation({
  generation,
  isOther,
  rates,
  onChange,
}: {
  generation: GenerationReport;
  /** True if it belongs to another version of the read model. */
  isOther: boolean;
  rates: Rates;
  onChange: () => void;
}) {
  const { t } = useTexts();
  const { language } = useWords();
  const { generation: number, state, verification } = generation;
  const isYoung = state === 'building' || state === 'ready';
  return (
    <Section
      title={t('generation', { generation: number })}
      actions={<Actions generation={generation} onChange={onChange} />}
    >
      {generation.failure && (
        <p className="form-error" role="alert">
          {t('blocked', { reason: generation.failure })}
        </p>
      )}
      <Facts
        facts={[
          [
            t('state'),
            <span key="state" className="row">
              <Mark tone={TONES[state]}>{t(`generation_${state}`)}</Mark>
              {generation.paused && <Mark tone="bad">{t('paused')}</Mark>}
            </span>,
          ],
          [t('phase'), isYoung ? generation.phase : undefined],
          [t('goal'), isYoung ? t(`goal_${generation.goal}`) : undefined],
          [t('model_version'), isOther ? generation.model_version : undefined],
          [t('max_rate'), generation.max_rate === null ? undefined : rateOf(language, generation.max_rate)],
          [t('priority'), generation.low_priority ? t('priority_low') : undefined],
          [t('created_at'), <Moment key="created" at={generation.created_at} />],
          [t('activated_at'), generation.activated_at && <Moment key="activated" at={generation.activated_at} />],
          [t('verified_at'), generation.verified_at && <Moment key="verified" at={generation.verified_at} />],
          [t('verification'), verification?.outcome && outcomeText(verification.outcome, t)],
        ]}
      />
      {verification && verification.outcome !== 'equal' && (
        <details>
          <summary>{t('verification_details')}</summary>
          <pre className="ops-code" tabIndex={0}>
            {JSON.stringify(verification, null, 2)}
          </pre>
        </details>
      )}
      {state === 'building' && <Building generation={generation} rates={rates} />}
      {state !== 'retired' && <Streams generation={generation} rates={rates} />}
    </Section>
  );
}

function outcomeText(outcome: string, t: ReturnType<typeof useTexts>['t']): string {
  const known = ['equal', 'different', 'refused', 'skipped'] as const;
  const found = known.find((name) => name === outcome);
  return found ? t(`outcome_${found}`) : outcome;
}

function Building({ generation, rates }: { generation: GenerationReport; rates: Rates }) {
  const { t } = useTexts();
  const { language } = useWords();
  const { done, total } = progressOf(generation);
  const rate = rates.of(generation.generation);
  const left = rates.secondsLeft(generation);
  const parts = [
    t('done_of', {
      percent: percentOf(language, done, total),
      done: numberOf(language, done),
      total: numberOf(language, total),
    }),
  ];
  if (!generation.paused) {
    if (rate !== undefined) parts.push(t('events_per_second', { rate: rateOf(language, rate) }));
    if (left !== undefined && left > 0) parts.push(t('time_left', { time: durationOf(language, left) }));
  }
  return (
    <div className="ops-progress">
      <progress
        aria-label={t('progress_of', { generation: generation.generation })}
        max={Math.max(total, 1)}
        value={total > 0 ? done : 1}
      />
      <p className="small">{parts.join(' · ')}</p>
    </div>
  );
}

function Streams({ generation, rates }: { generation: GenerationReport; rates: Rates }) {
  const { t, n } = useTexts();
  const { language } = useWords();
  const { generation: number, streams } = generation;
  return (
    <Table
      label={t('streams_of', { generation: number })}
      heads={[t('stream'), t('position'), t('end'), t('lag'), t('rate'), t('progress'), t('holder')]}
    >
      {streams.map((stream) => (
        <tr key={stream.stream}>
          <th scope="row">{stream.stream}</th>
          <td className="is-number">{numberOf(language, stream.position)}</td>
          <td className="is-number">{numberOf(language, stream.end)}</td>
          <td className="is-number">{numberOf(language, stream.lag)}</td>
          <td className="is-number">{rateOf(language, rates.ofStream(number, stream.stream))}</td>
          <td>
            {stream.progress}
            {stream.quarantined_boxes > 0 && (
              <>
                {' '}
                <a href={at('quarantine')}>{n('boxes_in_quarantine', stream.quarantined_boxes)}</a>
              </>
            )}
          </td>
          <td className="is-id">{stream.holder ?? '–'}</td>
        </tr>
      ))}
    </Table>
  );
}

function Actions({ generation, onChange }: { generation: GenerationReport; onChange: () => void }) {
  const { t } = useTexts();
  const gateway = useGateway();
  const { generation: number, state, paused } = generation;
  return (
    <>
      {state === 'building' && (
        <Opener label={paused ? t('resume') : t('pause')}>
          {(close) => (
            <TaskDialog
              title={paused ? t('ask_resume', { generation: number }) : t('ask_pause', { generation: number })}
              action={paused ? t('resume') : t('pause')}
              onClose={close}
              onRun={() => gateway.projector(paused ? 'resume' : 'pause', { generation: number }).then(onChange)}
            />
          )}
        </Opener>
      )}
      {(state === 'ready' || state === 'standby') && (
        <Opener label={t('activate')} name={t('activate_of', { generation: number })}>
          {(close) => <ActivateDialog generation={generation} onClose={close} onChange={onChange} />}
        </Opener>
      )}
      {state !== 'active' && state !== 'retired' && (
        <Opener label={t('retire')} name={t('retire_of', { generation: number })} isDanger>
          {(close) => (
            <TaskDialog
              title={t('ask_retire', { generation: number })}
              action={t('retire')}
              done={t('generation_is_retired', { generation: number })}
              isDanger
              onClose={close}
              onRun={() => gateway.projector('retire', { generation: number }).then(onChange)}
            >
              <p>{t('retire_lead')}</p>
            </TaskDialog>
          )}
        </Opener>
      )}
    </>
  );
}

function ActivateDialog({
  generation,
  onClose,
  onChange,
}: {
  generation: GenerationReport;
  onClose: () => void;
  onChange: () => void;
}) {
  const { t } = useTexts();
  const gateway = useGateway();
  const { generation: number, verified_at } = generation;
  const [isUnverified, setUnverified] = useState(false);
  return (
    <TaskDialog
      title={t('ask_activate', { generation: number })}
      action={t('activate')}
      done={t('generation_is_active', { generation: number })}
      isDanger={isUnverified}
      onClose={onClose}
      onRun={() => gateway.projector('activate', { generation: number, unverified: isUnverified }).then(onChange)}
    >
      <p>{t('activate_lead')}</p>
      {verified_at === null && (
        <label className="check">
          <input type="checkbox" checked={isUnverified} onChange={(event) => setUnverified(event.target.checked)} />
          {t('activate_unverified')}
        </label>
      )}
    </TaskDialog>
  );
}
