/** One report: the reported text, its claim and its resolution. */

import type { CommandComponents, QueryComponents, RequestOptions } from '@boxroom/client';
import { useState } from 'react';
import { useWords } from '../../texts/index.js';
import { Choice, Field, FormError } from '../../ui/parts.js';
import { useServices, useTexts } from '../context.js';
import { Opener, TaskDialog } from '../dialogs.js';
import { endOf, type Span } from '../forms.js';
import { LIST_MS, useRead, useTask } from '../hooks.js';
import { Facts, Loaded, LongField, Mark, Moment, Section, View } from '../parts.js';
import { at } from '../routes.js';
import { categoryText, HELD } from './reports.js';
import { SuspensionEnd } from './suspension.js';

type Report = QueryComponents['schemas']['ReportView'];
type Action = CommandComponents['schemas']['ReportAction'];

/** A report. */
export function ReportView({ id }: { id: string }) {
  const { t } = useTexts();
  const { api } = useServices();
  const report = useRead(`report ${id}`, () => api.showReport({ report: id }), LIST_MS);
  return (
    <View title={t('report')} back={at('reports')}>
      <Loaded read={report}>{(data) => <Content report={data} onChange={report.reload} />}</Loaded>
    </View>
  );
}

function Content({ report, onChange }: { report: Report; onChange: () => void }) {
  const { t, n } = useTexts();
  const { t: page } = useWords();
  const { room_id: room, message_id: message, user_id: user } = report;
  return (
    <>
      <Section title={titleOf(report, t)}>
        {report.text !== null && <blockquote className="ops-quote">{report.text}</blockquote>}
        {report.forgotten && <p className="note">{t('report_forgotten')}</p>}
        {report.deleted && <p className="quiet">{t('message_is_deleted')}</p>}
        <Facts
          facts={[
            [t('category'), categoryText(report.category, page, t)],
            [t('user'), <a href={at('users', user)}>{report.nickname ? `${report.nickname} (${user})` : user}</a>],
            [t('room'), room && <a href={at('rooms', room)}>{room}</a>],
            [t('message'), message],
            [t('reporter'), report.reporter && <a href={at('users', report.reporter)}>{report.reporter}</a>],
            [t('reporter_note'), report.note],
            [t('filed_at'), <Moment at={report.filed_at} />],
            [
              t('other_reports'),
              report.other_open_reports > 0 ? n('open_reports', report.other_open_reports) : undefined,
            ],
          ]}
        />
      </Section>
      <Handling report={report} onChange={onChange} />
    </>
  );
}

function Handling({ report, onChange }: { report: Report; onChange: () => void }) {
  const { t } = useTexts();
  const { api, staff, isOperator } = useServices();
  const { busy, error, run } = useTask();
  const { report_id: id, state } = report;
  const isOwn = report.moderator === staff.userId;
  // A report is closed before its message is posted: after an error the publication is repeated.
  const isUncertain = state === 'closed' && report.action === 'message_published' && Boolean(error);
  const canPublish =
    isOwn && report.category === HELD && !report.forgotten && (state === 'claimed' || isUncertain);
  const claim = () => run(() => api.claimReport({ report: id })).then(onChange);
  const release = () => run(() => api.releaseReport({ report: id })).then(onChange);
  const publish = () => run(() => api.publishHeldMessage({ report: id })).then(onChange);
  return (
    <Section title={t('handling')}>
      <Facts
        facts={[
          [
            t('state'),
            <Mark key="state" tone={state === 'open' ? 'warn' : state === 'claimed' ? 'good' : 'plain'}>
              {t(`report_${state}`)}
            </Mark>,
          ],
          [t('moderator'), report.moderator],
          [t('claimed_at'), report.claimed_at && <Moment at={report.claimed_at} />],
          [t('closed_at'), report.closed_at && <Moment at={report.closed_at} />],
          [t('result'), report.action && actionText(report.action, t)],
          [t('resolution_note'), report.resolution_note],
        ]}
      />
      <FormError text={error} />
      <div className="ops-actions">
        {state === 'open' && (
          <button type="button" className="button primary" disabled={busy} onClick={() => void claim()}>
            {t('claim')}
          </button>
        )}
        {canPublish && (
          <button type="button" className="button primary" disabled={busy} onClick={() => void publish()}>
            {t('publish')}
          </button>
        )}
        {state === 'claimed' && isOwn && (
          <Opener label={t('resolve')} isPrimary={report.category !== HELD} isSmall={false}>
            {(close) => <ResolveDialog report={report} onClose={close} onChange={onChange} />}
          </Opener>
        )}
        {state === 'claimed' && (isOwn || isOperator) && (
          <button type="button" className="button" disabled={busy} onClick={() => void release()}>
            {t('release')}
          </button>
        )}
      </div>
      {state === 'claimed' && !isOwn && (
        <p className="quiet">{t('claimed_by_other', { user: report.moderator ?? '' })}</p>
      )}
    </Section>
  );
}

const ACTIONS = ['dismissed', 'warned', 'message_removed', 'room_closed', 'user_suspended', 'other'] as const;

function actionText(action: string, t: ReturnType<typeof useTexts>['t']): string {
  if (action === 'message_published') return t('action_message_published');
  const found = ACTIONS.find((name) => name === action);
  return found ? t(`action_${found}`) : action;
}

function titleOf(report: Report, t: ReturnType<typeof useTexts>['t']): string {
  if (report.category === HELD) return t('held_message');
  return report.message_id ? t('reported_message') : t('reported_user');
}

/** The choice of what is done about a report. It is carried out before the report is closed. */
function ResolveDialog({ report, onClose, onChange }: { report: Report; onClose: () => void; onChange: () => void }) {
  const { t } = useTexts();
  const { api } = useServices();
  const [action, setAction] = useState<Action>('dismissed');
  const [reason, setReason] = useState('');
  const [note, setNote] = useState('');
  const [span, setSpan] = useState<Span>('week');
  const [isDone, setDone] = useState(false);
  const { report_id: id, room_id: room, message_id: message, user_id: user } = report;
  const offered = ACTIONS.filter((name) => room || (name !== 'message_removed' && name !== 'room_closed'));
  const command = commandOf(action);
  const isCarriedOut = command !== undefined && !isDone;
  const act = async (options: RequestOptions) => {
    const body = { reason: reason.trim() };
    if (command === 'remove' && room && message) await api.removeMessage({ room, message, body }, options);
    if (command === 'close' && room) await api.closeAnyRoom({ room, body }, options);
    if (command === 'suspend') {
      await api.suspendUser({ user, body: { ...body, until: endOf(span, Date.now()) } }, options);
    }
  };
  const object = { user, room: room ?? '', message: message ?? '' };
  return (
    <TaskDialog
      title={t('resolve_title')}
      action={isCarriedOut ? t(`do_${command}`, object) : t('close_report')}
      done={t('report_resolved')}
      isDanger={isCarriedOut}
      onClose={onClose}
      onRun={async (options) => {
        if (isCarriedOut) await act(options);
        const text = note.trim();
        await api.resolveReport({ report: id, body: { action, ...(text ? { note: text } : {}) } }, options);
        onChange();
      }}
    >
      <Choice
        label={t('result')}
        value={action}
        options={offered.map((name) => [name, actionText(name, t)])}
        onChange={setAction}
      />
      {command && (
        <label className="check">
          <input type="checkbox" checked={isDone} onChange={(event) => setDone(event.target.checked)} />
          {t('done_before')}
        </label>
      )}
      {isCarriedOut && (
        <>
          <p>{t(`ask_${command}`, object)}</p>
          {command === 'suspend' && <SuspensionEnd value={span} onChange={setSpan} />}
          <Field
            label={t('reason')}
            hint={t('reason_hint')}
            required
            maxLength={200}
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
        </>
      )}
      <LongField
        label={t('note_optional')}
        maxLength={1000}
        value={note}
        onChange={(event) => setNote(event.target.value)}
      />
    </TaskDialog>
  );
}

/** Returns the command that an action stands for. */
function commandOf(action: Action): 'remove' | 'close' | 'suspend' | undefined {
  switch (action) {
    case 'message_removed':
      return 'remove';
    case 'room_closed':
      return 'close';
    case 'user_suspended':
      return 'suspend';
    default:
      return undefined;
  }
}
