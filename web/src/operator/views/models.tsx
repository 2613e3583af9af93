/** Read models: all generations with their progress, and rebuilds. */

import { useRef, useState } from 'react';
import { useWords } from '../../texts/index.js';
import { Choice, Field } from '../../ui/parts.js';
import { useGateway, useTexts } from '../context.js';
import { Opener, TaskDialog } from '../dialogs.js';
import { numberOf } from '../format.js';
import { useRead } from '../hooks.js';
import { Facts, Loaded, Moment, Section, View } from '../parts.js';
import type { Goal, Report } from '../protocol.js';
import { Rates } from '../rates.js';
import { at } from '../routes.js';
import { Generation } from './generation.js';

/** The interval in which the status is read, in milliseconds. */
const STATUS_MS = 2000;

/** The status of all generations, read while the page is visible. */
export function ModelsView() {
  const { t } = useTexts();
  const gateway = useGateway();
  const rates = useRef(new Rates());
  const status = useRead(
    'status',
    async () => {
      const report = await gateway.projector('status', {});
      rates.current.record(report, performance.now());
      return report;
    },
    STATUS_MS,
  );
  return (
    <View
      title={t('models')}
      actions={
        <Opener label={t('rebuild')} isPrimary>
          {(close) => <RebuildDialog onClose={close} onChange={status.reload} />}
        </Opener>
      }
    >
      <Loaded read={status}>
        {(report) => <Content report={report} rates={rates.current} onChange={status.reload} />}
      </Loaded>
    </View>
  );
}

function Content({ report, rates, onChange }: { report: Report; rates: Rates; onChange: () => void }) {
  const { t } = useTexts();
  const { language } = useWords();
  const gateway = useGateway();
  const { model_version: version, generations, erasures } = report;
  const active = generations.find(({ state, model_version }) => state === 'active' && model_version === version);
  const standby = generations.filter(({ state }) => state === 'standby').map(({ generation }) => generation);
  const retire = standby.map(String).join(', ');
  return (
    <>
      <Section
        title={t('overview')}
        actions={
          <>
            {active && standby.length > 0 && (
              <Opener label={t('rollback')} isDanger>
                {(close) => (
                  <TaskDialog
                    title={t('ask_rollback', { generation: active.generation })}
                    action={t('rollback')}
                    done={t('rolled_back')}
                    isDanger
                    onClose={close}
                    onRun={() => gateway.projector('rollback', { from: active.generation }).then(onChange)}
                  >
                    <p>{t('rollback_lead')}</p>
                  </TaskDialog>
                )}
              </Opener>
            )}
            {standby.length > 0 && (
              <Opener label={t('retire_standby')} isDanger>
                {(close) => (
                  <TaskDialog
                    title={t('ask_retire_standby', { generations: retire })}
                    action={t('retire')}
                    done={t('generation_is_retired', { generation: retire })}
                    isDanger
                    onClose={close}
                    onRun={() => gateway.projector('retire', 'all_standby').then(onChange)}
                  >
                    <p>{t('retire_lead')}</p>
                  </TaskDialog>
                )}
              </Opener>
            )}
          </>
        }
      >
        <Facts
          facts={[
            [t('model_version'), version],
            [t('projectors'), numberOf(language, report.projectors)],
            [t('active_generation'), active ? String(active.generation) : t('none')],
          ]}
        />
      </Section>
      {generations.toReversed().map((generation) => (
        <Generation
          key={generation.generation}
          generation={generation}
          isOther={generation.model_version !== version}
          rates={rates}
          onChange={onChange}
        />
      ))}
      {erasures.length > 0 && (
        <Section title={t('erasures')}>
          <ul className="ops-list" aria-label={t('erasures')}>
            {erasures.map(({ user_id, since, waits_for }) => (
              <li key={user_id} className="ops-entry">
                <a className="ops-entry-text" href={at('users', user_id)}>
                  {user_id}
                </a>
                <span className="ops-entry-end small">
                  <Moment at={since} />
                  <span>{waits_for}</span>
                </span>
              </li>
            ))}
          </ul>
        </Section>
      )}
    </>
  );
}

function RebuildDialog({ onClose, onChange }: { onClose: () => void; onChange: () => void }) {
  const { t } = useTexts();
  const gateway = useGateway();
  const [to, setTo] = useState<Goal>('active');
  const [rate, setRate] = useState('');
  const [priority, setPriority] = useState<'normal' | 'low'>('normal');
  return (
    <TaskDialog
      title={t('rebuild_title')}
      action={t('rebuild')}
      done={t('rebuild_has_begun')}
      onClose={onClose}
      onRun={async () => {
        const max_rate = rate === '' ? null : Number(rate);
        await gateway.projector('rebuild', { to, max_rate, low_priority: priority === 'low' });
        onChange();
      }}
    >
      <p>{to === 'active' ? t('rebuild_lead_active') : t('rebuild_lead')}</p>
      <Choice
        label={t('goal')}
        value={to}
        options={[
          ['active', t('goal_active')],
          ['verified', t('goal_verified')],
          ['ready', t('goal_ready')],
        ]}
        onChange={setTo}
      />
      <Choice
        label={t('priority')}
        value={priority}
        options={[
          ['normal', t('priority_normal')],
          ['low', t('priority_low')],
        ]}
        onChange={setPriority}
      />
      <Field
        label={t('max_rate')}
        hint={t('max_rate_hint')}
        type="number"
        min={1}
        max={4294967295}
        step={1}
        value={rate}
        onChange={(event) => setRate(event.target.value)}
      />
    </TaskDialog>
  );
}
