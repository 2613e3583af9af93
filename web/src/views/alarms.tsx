/** The alarms of the user. */

import { useAlarms, useNames, useRooms, type AlarmView } from '@boxroom/react';
import { useAction, useTitle } from '../lib/hooks.js';
import { hrefOf } from '../lib/router.js';
import { dateTimeOf } from '../lib/time.js';
import { useWords } from '../texts/index.js';
import { Empty, Icon, Loading, type IconName } from '../ui/parts.js';

const ICONS: Partial<Record<string, IconName>> = {
  reply: 'reply',
  mention: 'chat',
  reaction: 'smile',
  message_after_silence: 'chat',
  order_arrived: 'box',
  door_opened: 'box',
  closing_soon: 'clock',
  room_extended: 'clock',
};

/** The list of the alarms. */
export function AlarmsView() {
  const { t, n } = useWords();
  const { status, alarms, unread, hasMore, loadMore, markRead, reload } = useAlarms();
  const { busy, run } = useAction(true);
  useTitle(t('alarms_title'));
  return (
    <div className="view">
      <header className="view-head">
        <h1>{t('alarms_title')}</h1>
        {unread > 0 && (
          <button type="button" className="button small" disabled={busy} onClick={() => void run(markRead)}>
            {t('mark_read')}
          </button>
        )}
      </header>
      <p className="small quiet" aria-live="polite">
        {n('alarms_unread', unread)}
      </p>
      {status === 'loading' && <Loading />}
      {status === 'failed' && (
        <button type="button" className="button" onClick={() => void reload()}>
          {t('retry')}
        </button>
      )}
      {status === 'ready' && alarms.length === 0 && <Empty icon="bell" text={t('no_alarms')} />}
      <ul className="cards">
        {alarms.map((alarm) => (
          <Entry key={alarm.id} alarm={alarm} />
        ))}
      </ul>
      {hasMore && (
        <button type="button" className="button wide" disabled={busy} onClick={() => void run(loadMore)}>
          {t('more')}
        </button>
      )}
    </div>
  );
}

function Entry({ alarm }: { alarm: AlarmView }) {
  const words = useWords();
  const { t, n, language } = words;
  const nameOf = useNames();
  const { rooms } = useRooms();
  const name = alarm.by == null ? '' : (nameOf(alarm.by) ?? t('unknown_user'));
  const key = `alarm_${alarm.kind}`;
  const text =
    alarm.kind === 'reaction'
      ? n('alarm_reaction', alarm.count, { name })
      : words.has(key)
        ? t(key, { name })
        : t('alarm_other');
  const room = rooms.find(({ room_id }) => room_id === alarm.room_id);
  const message = alarm.message_id == null ? {} : { message: alarm.message_id };
  return (
    <li>
      <a
        className={`alarm-entry ${alarm.read ? '' : 'is-unread'}`}
        href={hrefOf({ name: 'room', room: alarm.room_id, ...message })}
      >
        <Icon name={ICONS[alarm.kind] ?? 'bell'} />
        <span className="alarm-text">
          <span>{text}</span>
          <span className="small quiet">
            {room?.title ?? alarm.room_id} · {dateTimeOf(language, alarm.at)}
          </span>
        </span>
        {!alarm.read && <span className="new-mark">{t('alarm_new')}</span>}
      </a>
    </li>
  );
}
