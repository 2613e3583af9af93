/** Push messages that were given up. */

import { useWords } from '../../texts/index.js';
import { Empty } from '../../ui/parts.js';
import { useGateway, useTexts } from '../context.js';
import { Opener, TaskDialog } from '../dialogs.js';
import { numberOf } from '../format.js';
import { LIST_MS, useRead } from '../hooks.js';
import { Entry, Facts, Loaded, Moment, Section, View } from '../parts.js';
import type { DeadPush } from '../protocol.js';
import { at, goTo } from '../routes.js';

/** The newest dead push messages. */
export function PushesView() {
  const { t, n } = useTexts();
  const gateway = useGateway();
  const dead = useRead('pushes', () => gateway.notifier('dead_push_list', {}), LIST_MS);
  return (
    <View title={t('pushes')}>
      <p className="quiet">{t('pushes_lead')}</p>
      <Loaded read={dead}>
        {({ pushes, more }) =>
          pushes.length === 0 ? (
            <Empty icon="bell" text={t('no_pushes')} />
          ) : (
            <>
              <ul className="ops-list" aria-label={t('pushes')}>
                {pushes.map((push) => (
                  <Entry
                    key={push.push_id}
                    href={at('pushes', push.push_id)}
                    title={push.reason}
                    end={
                      <span className="small quiet">
                        <Moment at={push.dead_since} />
                      </span>
                    }
                  >
                    {[push.provider, push.user_id, push.device_id, push.room_id].join(' · ')}
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

/** One dead push message. */
export function PushView({ id }: { id: string }) {
  const { t } = useTexts();
  const gateway = useGateway();
  const push = useRead(`push ${id}`, () => gateway.notifier('dead_push_show', { push_id: id }));
  return (
    <View title={t('push')} back={at('pushes')}>
      <Loaded read={push}>{(data) => <Content push={data} />}</Loaded>
    </View>
  );
}

function Content({ push }: { push: DeadPush }) {
  const { t } = useTexts();
  const { t: page, has, language } = useWords();
  const gateway = useGateway();
  const { push_id, user_id, room_id } = push;
  const kind = `pref_${push.kind}`;
  return (
    <Section
      title={t('details')}
      actions={
        <>
          <Opener label={t('send_again')}>
            {(close) => (
              <TaskDialog
                title={t('ask_send_again', { user: user_id, device: push.device_id })}
                action={t('send_again')}
                done={t('push_is_sent')}
                onClose={close}
                onRun={() => gateway.notifier('dead_push_retry', { push_id }).then(() => goTo('pushes'))}
              >
                <p>{t('send_again_lead')}</p>
              </TaskDialog>
            )}
          </Opener>
          <Opener label={t('drop')} isDanger>
            {(close) => (
              <TaskDialog
                title={t('ask_drop_push', { user: user_id, device: push.device_id })}
                action={t('drop')}
                done={t('push_is_dropped')}
                isDanger
                onClose={close}
                onRun={() => gateway.notifier('dead_push_drop', { push_id }).then(() => goTo('pushes'))}
              />
            )}
          </Opener>
        </>
      }
    >
      <p className="form-error">{push.reason}</p>
      <Facts
        facts={[
          [t('id'), push_id],
          [t('user'), <a href={at('users', user_id)}>{user_id}</a>],
          [t('device'), push.device_id],
          [t('provider'), push.provider],
          [t('room'), <a href={at('rooms', room_id)}>{room_id}</a>],
          [t('last_alarm'), has(kind) ? page(kind) : push.kind],
          [t('alarms'), numberOf(language, push.alarms)],
          [t('attempts'), numberOf(language, push.attempts)],
          [t('planned_at'), <Moment key="planned" at={push.created_at} />],
          [t('dead_since'), <Moment key="dead" at={push.dead_since} />],
        ]}
      />
    </Section>
  );
}
