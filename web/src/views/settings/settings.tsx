/** The settings of the user and of this device. */

import { useBoxroom } from '@boxroom/react';
import { useAction, useLoad, useTitle } from '../../lib/hooks.js';
import { clearBegun } from '../../lib/preferences.js';
import type { PageSession } from '../../lib/session.js';
import { useWords } from '../../texts/index.js';
import { Loading } from '../../ui/parts.js';
import { Privacy, Sessions, YourData } from './account.js';
import { Appearance, Password, Profile } from './profile.js';
import { Notifications, PushMessages, QuietHours } from './push.js';

/** The view. */
export function SettingsView({ session }: { session: PageSession }) {
  const { t } = useWords();
  const client = useBoxroom();
  const { data: me, reload, isLoading, error } = useLoad('me', () => client.api.showMe());
  const { busy, run } = useAction(true);
  useTitle(t('settings_title'));
  const signOut = async () => {
    clearBegun();
    await session.signOut();
  };
  return (
    <div className="view narrow-view settings">
      <header className="view-head">
        <h1>{t('settings_title')}</h1>
        <button type="button" className="button" disabled={busy} onClick={() => void run(signOut)}>
          {t('sign_out')}
        </button>
      </header>
      {isLoading && <Loading />}
      {!me && error !== undefined && (
        <button type="button" className="button" onClick={reload}>
          {t('problem_network')} {t('retry')}
        </button>
      )}
      <Appearance />
      {me && <Profile userId={me.user_id} nickname={me.nickname} onChange={reload} />}
      <Password />
      <PushMessages push={session.push} devices={me?.devices ?? []} onChange={reload} />
      {me && <Notifications preferences={me.notification_preferences} onChange={reload} />}
      {me && <QuietHours key={JSON.stringify(me.quiet_hours)} hours={me.quiet_hours} onChange={reload} />}
      {me && <Privacy isShared={me.share_read_markers} onChange={reload} />}
      <Sessions session={session} />
      <YourData session={session} />
    </div>
  );
}
