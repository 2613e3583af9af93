/** Push messages: this browser, the alarms that are sent, and quiet hours. */

import { useBoxroom } from '@boxroom/react';
import { useEffect, useState, useSyncExternalStore, type FormEvent } from 'react';
import { useAction } from '../../lib/hooks.js';
import type { BrowserPush } from '../../lib/push.js';
import { dateTimeOf } from '../../lib/time.js';
import { useWords } from '../../texts/index.js';
import { Field, FormError } from '../../ui/parts.js';
import { toast } from '../../ui/toasts.js';

/** The switch of push messages in this browser, and the other devices. */
export function PushMessages({
  push,
  devices,
  onChange,
}: {
  push: BrowserPush;
  devices: readonly { device_id: string; provider: 'fcm' | 'apns' | 'web_push'; registered_at: string }[];
  onChange: () => void;
}) {
  const { t, language } = useWords();
  const client = useBoxroom();
  const state = useSyncExternalStore(push.subscribe, push.get);
  const { busy, error, run } = useAction(false, (problem) =>
    problem instanceof DOMException ? t('push_failed') : undefined,
  );
  // Shown while the switch is being carried out.
  const [wanted, setWanted] = useState<boolean>();
  const change = async (isOn: boolean) => {
    setWanted(isOn);
    await run(() => (isOn ? push.enable() : push.disable()));
    setWanted(undefined);
    onChange();
  };
  useEffect(() => {
    // Push messages have the language of the page.
    void push.check();
  }, [push, language]);
  const others = devices.filter(({ device_id }) => device_id !== push.device);
  const note =
    state === 'not-offered'
      ? t('push_not_offered')
      : state === 'unsupported'
        ? t('push_unsupported')
        : state === 'denied'
          ? t('push_denied')
          : t('push_lead');
  return (
    <section>
      <h2>{t('push')}</h2>
      <label className="check">
        <input
          type="checkbox"
          checked={wanted ?? state === 'on'}
          disabled={busy || (state !== 'on' && state !== 'off')}
          aria-describedby="push-note"
          onChange={(event) => void change(event.target.checked)}
        />
        {t('push_here')}
      </label>
      <p className="small quiet" id="push-note" role="status">
        {note}
      </p>
      <FormError text={error} />
      {others.length > 0 && <h3>{t('other_devices')}</h3>}
      <ul className="plain-list">
        {others.map(({ device_id, provider, registered_at }) => {
          const name = t(`device_${provider}`);
          return (
            <li key={device_id} className="row between">
              <span className="session">
                <span>{name}</span>
                <span className="small quiet">{t('device_since', { time: dateTimeOf(language, registered_at) })}</span>
              </span>
              <button
                type="button"
                className="button small"
                aria-label={t('device_remove', { name })}
                disabled={busy}
                onClick={() => void run(() => client.api.removeDevice({ device: device_id })).then(onChange)}
              >
                {t('remove')}
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

const KINDS = [
  'reply',
  'mention',
  'reaction',
  'message_after_silence',
  'kicked',
  'made_host',
  'room_extended',
  'closing_soon',
  'room_closed',
  'order_arrived',
  'door_opened',
] as const;

/** The kinds of alarms for which push messages are sent. */
export function Notifications({ preferences, onChange }: { preferences: Record<string, boolean>; onChange: () => void }) {
  const { t } = useWords();
  const client = useBoxroom();
  const [current, setCurrent] = useState(preferences);
  const { run } = useAction(true);
  const change = async (kind: string, isOn: boolean) => {
    const next = { ...current, [kind]: isOn };
    setCurrent(next);
    if (await run(() => client.api.setNotificationPreferences({ body: { preferences: next } }))) onChange();
    else setCurrent(current);
  };
  return (
    <section>
      <h2>{t('notifications')}</h2>
      <p className="quiet">{t('notifications_lead')}</p>
      <ul className="checks">
        {KINDS.map((kind) => (
          <li key={kind}>
            <label className="check">
              <input
                type="checkbox"
                checked={current[kind] ?? true}
                onChange={(event) => void change(kind, event.target.checked)}
              />
              {t(`pref_${kind}`)}
            </label>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The time of the day without push messages. */
export function QuietHours({
  hours,
  onChange,
}: {
  hours: { from: string; to: string; time_zone: string } | null;
  onChange: () => void;
}) {
  const { t } = useWords();
  const client = useBoxroom();
  const zone = hours?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const [isOn, setOn] = useState(hours !== null);
  const [from, setFrom] = useState(hours?.from ?? '22:00');
  const [to, setTo] = useState(hours?.to ?? '07:00');
  const { busy, error, run } = useAction();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const work = isOn
      ? () => client.api.setQuietHours({ body: { from, to, time_zone: zone } })
      : () => client.api.removeQuietHours();
    if (await run(work)) {
      toast(t('saved'));
      onChange();
    }
  };
  return (
    <section>
      <h2>{t('quiet_hours')}</h2>
      <p className="quiet">{t('quiet_lead')}</p>
      <form onSubmit={(event) => void submit(event)}>
        <label className="check">
          <input type="checkbox" checked={isOn} onChange={(event) => setOn(event.target.checked)} />
          {t('quiet_on')}
        </label>
        {isOn && (
          <>
            <div className="row">
              <Field
                label={t('from')}
                type="time"
                required
                value={from}
                onChange={(event) => setFrom(event.target.value)}
              />
              <Field label={t('to')} type="time" required value={to} onChange={(event) => setTo(event.target.value)} />
            </div>
            <p className="small quiet">{t('time_zone', { zone })}</p>
          </>
        )}
        <FormError text={error} />
        <button className="button" disabled={busy}>
          {t('save')}
        </button>
      </form>
    </section>
  );
}
