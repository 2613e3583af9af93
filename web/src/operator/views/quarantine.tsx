/** Boxes in quarantine: the list, and one of them with the event that failed. */

import { Problem } from '@boxroom/client';
import { useWords } from '../../texts/index.js';
import { Empty } from '../../ui/parts.js';
import { toast } from '../../ui/toasts.js';
import { useGateway, useServices, useTexts } from '../context.js';
import { Opener, ReasonDialog, TaskDialog } from '../dialogs.js';
import { bytesOf, numberOf } from '../format.js';
import { LIST_MS, useRead } from '../hooks.js';
import { Entry, Facts, Loaded, Moment, Section, View } from '../parts.js';
import type { ShownBox } from '../protocol.js';
import { at } from '../routes.js';

/** All quarantined boxes. */
export function QuarantineView() {
  const { t, n } = useTexts();
  const { language } = useWords();
  const gateway = useGateway();
  const boxes = useRead('quarantine', () => gateway.projector('quarantine_list', {}), LIST_MS);
  return (
    <View
      title={t('quarantine')}
      actions={
        boxes.data &&
        boxes.data.boxes.length > 0 && <Retry boxId={null} label={t('retry_all')} onChange={boxes.reload} />
      }
    >
      <p className="quiet">{t('quarantine_lead')}</p>
      <Loaded read={boxes}>
        {({ boxes: found, more }) =>
          found.length === 0 ? (
            <Empty icon="box" text={t('no_quarantine')} />
          ) : (
            <>
              <ul className="ops-list" aria-label={t('quarantine')}>
                {found.map((box) => (
                  <Entry
                    key={`${box.box_id} ${box.sequence}`}
                    href={at('quarantine', box.box_id)}
                    title={box.box_id}
                    end={<span className="small">{t('waiting', { count: numberOf(language, box.waiting) })}</span>}
                  >
                    {`${box.stream} ${box.sequence} · ${box.reason}`}
                  </Entry>
                ))}
              </ul>
              {more > 0 && <p className="quiet">{n('more_left_out', more)}</p>}
            </>
          )
        }
      </Loaded>
    </View>
  );
}

/** One quarantined box, once for each event at which generations have stopped. */
export function QuarantinedView({ id }: { id: string }) {
  const { t } = useTexts();
  const gateway = useGateway();
  const shown = useRead(
    `quarantined ${id}`,
    () =>
      gateway.projector('quarantine_show', { box_id: id }).catch((error: unknown) => {
        // The box is not in quarantine, or not any more.
        if (error instanceof Problem && error.code === 'refused') return [];
        throw error;
      }),
    LIST_MS,
  );
  return (
    <View
      title={t('quarantined_box', { box: id })}
      back={at('quarantine')}
      actions={
        shown.data && shown.data.length > 0 && <Retry boxId={id} label={t('retry_box')} onChange={shown.reload} />
      }
    >
      <Loaded read={shown}>
        {(found) =>
          found.length === 0 ? (
            <Empty icon="box" text={t('not_quarantined', { box: id })} />
          ) : (
            found.map((box) => <Stop key={box.parked.sequence} shown={box} onChange={shown.reload} />)
          )
        }
      </Loaded>
    </View>
  );
}

function Stop({ shown: { parked, event }, onChange }: { shown: ShownBox; onChange: () => void }) {
  const { t } = useTexts();
  const { language } = useWords();
  const { api } = useServices();
  const { box_id: box, sequence } = parked;
  return (
    <Section title={t('event_at', { stream: parked.stream, sequence })}>
      <p className="form-error">{parked.reason}</p>
      <Facts
        facts={[
          [t('box'), <a href={at('boxes', box)}>{box}</a>],
          [t('since'), <Moment key="since" at={parked.since} />],
          [t('waiting_commits'), numberOf(language, parked.waiting)],
          [t('generations'), parked.generations.join(', ')],
          [t('event_types'), event?.types.join(', ')],
          [t('event_versions'), event?.versions.join(', ')],
          [t('stored_at'), event && <Moment key="stored" at={event.stored_at} />],
          [t('size'), event && bytesOf(language, event.bytes)],
        ]}
      />
      {!event && <p className="quiet">{t('event_is_gone')}</p>}
      <div className="ops-actions">
        <Opener label={t('drop_event')} isDanger>
          {(close) => (
            <ReasonDialog
              title={t('ask_drop', { box, sequence })}
              lead={t('drop_lead')}
              action={t('drop_event')}
              done={t('event_is_dropped', { box, sequence })}
              typed={box}
              onClose={close}
              onRun={(reason, options) =>
                api.dropEvent({ box, body: { sequence: String(sequence), reason } }, options).then(onChange)
              }
            />
          )}
        </Opener>
      </div>
    </Section>
  );
}

function Retry({ boxId, label, onChange }: { boxId: string | null; label: string; onChange: () => void }) {
  const { t, n } = useTexts();
  const gateway = useGateway();
  return (
    <Opener label={label} isPrimary>
      {(close) => (
        <TaskDialog
          title={boxId === null ? t('ask_retry_all') : t('ask_retry', { box: boxId })}
          action={label}
          onClose={close}
          onRun={async () => {
            const { released, parked } = await gateway.projector('quarantine_retry', { box_id: boxId });
            toast(parked.length > 0 ? n('still_quarantined', parked.length) : n('released', released.length));
            onChange();
          }}
        >
          <p>{t('retry_lead')}</p>
        </TaskDialog>
      )}
    </Opener>
  );
}
