/** One webhook: its events by state, its positions, and replays. */

import { useState } from 'react';
import { useWords } from '../../texts/index.js';
import { Field } from '../../ui/parts.js';
import { useGateway, useTexts } from '../context.js';
import { Opener, TaskDialog } from '../dialogs.js';
import { numberOf } from '../format.js';
import { LIST_MS, useRead } from '../hooks.js';
import { Facts, Loaded, Moment, Section, Table, View } from '../parts.js';
import type { ShownWebhook } from '../protocol.js';
import { at, goTo } from '../routes.js';
import { typesText, WebhookMark } from './webhooks.js';

/** A webhook. */
export function WebhookView({ id }: { id: string }) {
  const gateway = useGateway();
  const webhook = useRead(`webhook ${id}`, () => gateway.notifier('webhook_show', { webhook_id: id }), LIST_MS);
  return (
    <View title={webhook.data?.webhook.url ?? id} back={at('webhooks')}>
      <Loaded read={webhook}>{(shown) => <Content shown={shown} onChange={webhook.reload} />}</Loaded>
    </View>
  );
}

function Content({ shown, onChange }: { shown: ShownWebhook; onChange: () => void }) {
  const { t } = useTexts();
  const { webhook } = shown;
  const failure = webhook.last_failure;
  return (
    <>
      <Section title={t('details')} actions={<Actions shown={shown} onChange={onChange} />}>
        <Facts
          facts={[
            [t('state'), <WebhookMark key="state" webhook={webhook} />],
            [t('id'), webhook.webhook_id],
            [t('event_types'), typesText(webhook, t)],
            [t('created_at'), <Moment key="created" at={webhook.created_at} />],
            [t('paused_since'), webhook.paused_at && <Moment key="paused" at={webhook.paused_at} />],
            [t('next_attempt'), shown.next_attempt_at && <Moment key="next" at={shown.next_attempt_at} />],
            [t('last_failure'), failure && `${failure.event_id}: ${failure.reason}`],
            [t('failed_at'), failure && <Moment key="failed" at={failure.at} />],
          ]}
        />
      </Section>
      <Events shown={shown} />
      <Positions shown={shown} />
    </>
  );
}

function Events({ shown: { live, replayed } }: { shown: ShownWebhook }) {
  const { t } = useTexts();
  const { language } = useWords();
  const rows = [
    [t('live_events'), live],
    [t('replayed_events'), replayed],
  ] as const;
  return (
    <Section title={t('events')}>
      <Table
        label={t('events')}
        heads={[t('kind'), t('events_waiting'), t('events_sending'), t('events_done'), t('events_dead')]}
      >
        {rows.map(([name, counts]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td className="is-number">{numberOf(language, counts.waiting)}</td>
            <td className="is-number">{numberOf(language, counts.sending)}</td>
            <td className="is-number">{numberOf(language, counts.done)}</td>
            <td className={counts.dead > 0 ? 'is-number is-bad' : 'is-number'}>{numberOf(language, counts.dead)}</td>
          </tr>
        ))}
      </Table>
      {live.dead + replayed.dead > 0 && <p className="quiet">{t('dead_events_lead')}</p>}
    </Section>
  );
}

function Positions({ shown: { progress } }: { shown: ShownWebhook }) {
  const { t } = useTexts();
  const { language } = useWords();
  return (
    <Section title={t('positions')}>
      <Table label={t('positions')} heads={[t('stream'), t('position'), t('replay_until'), t('problem_head')]}>
        {progress.map((row) => (
          <tr key={`${row.stream} ${row.replay_until}`}>
            <th scope="row">{row.stream}</th>
            <td className="is-id">{row.position}</td>
            <td className="is-number">{row.replay_until === null ? '–' : numberOf(language, row.replay_until)}</td>
            <td>{row.problem ?? '–'}</td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

function Actions({ shown: { webhook }, onChange }: { shown: ShownWebhook; onChange: () => void }) {
  const { t } = useTexts();
  const gateway = useGateway();
  const { webhook_id, url, paused_at } = webhook;
  const [from, setFrom] = useState('');
  const isPaused = paused_at !== null;
  return (
    <>
      <Opener label={isPaused ? t('resume') : t('pause')}>
        {(close) => (
          <TaskDialog
            title={isPaused ? t('ask_resume_webhook', { url }) : t('ask_pause_webhook', { url })}
            action={isPaused ? t('resume') : t('pause')}
            onClose={close}
            onRun={() => gateway.notifier(isPaused ? 'webhook_resume' : 'webhook_pause', { webhook_id }).then(onChange)}
          />
        )}
      </Opener>
      <Opener label={t('replay')}>
        {(close) => (
          <TaskDialog
            title={t('ask_replay', { url })}
            action={t('replay')}
            done={t('replay_has_begun')}
            onClose={close}
            onRun={() => gateway.notifier('webhook_replay', { webhook_id, from: from.trim() }).then(onChange)}
          >
            <p>{t('replay_lead')}</p>
            <Field
              label={t('from_position')}
              hint={t('from_position_hint')}
              required
              autoCapitalize="none"
              spellCheck={false}
              value={from}
              onChange={(event) => setFrom(event.target.value)}
            />
          </TaskDialog>
        )}
      </Opener>
      <Opener label={t('remove')} isDanger>
        {(close) => (
          <TaskDialog
            title={t('ask_remove_webhook', { url })}
            action={t('remove')}
            done={t('webhook_is_removed')}
            isDanger
            onClose={close}
            onRun={async () => {
              await gateway.notifier('webhook_remove', { webhook_id });
              goTo('webhooks');
            }}
          >
            <p>{t('remove_webhook_lead')}</p>
          </TaskDialog>
        )}
      </Opener>
    </>
  );
}
