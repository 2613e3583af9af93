/** The page: its session, its navigation and its views. */

import { BoxroomProvider, useAlarms, useUnread } from '@boxroom/react';
import { lazy, Suspense, use, useEffect, useRef, useState, useSyncExternalStore, type ReactNode } from 'react';
import { useIsWide, useTitleCount } from './lib/hooks.js';
import { go, hrefOf, useRoute, type Route } from './lib/router.js';
import type { PageSession } from './lib/session.js';
import { showBadge, update } from './lib/worker.js';
import { useWords } from './texts/index.js';
import { ConnectionMark } from './ui/connection.js';
import { Badge, Empty, Icon, Loading, type IconName } from './ui/parts.js';
import { Toasts } from './ui/toasts.js';
import { RoomsView } from './views/rooms.js';
import { SignIn } from './views/sign-in.js';

const NearbyView = lazy(() => import('./views/nearby.js').then((view) => ({ default: view.NearbyView })));
const BoxView = lazy(() => import('./views/box.js').then((view) => ({ default: view.BoxView })));
const JoinView = lazy(() => import('./views/join.js').then((view) => ({ default: view.JoinView })));
const RoomView = lazy(() => import('./views/room/room.js').then((view) => ({ default: view.RoomView })));
const AlarmsView = lazy(() => import('./views/alarms.js').then((view) => ({ default: view.AlarmsView })));
const Operator = lazy(() => import('./operator/operator.js').then((page) => ({ default: page.Operator })));
const Confirmation = lazy(() => import('./views/confirmation.js').then((view) => ({ default: view.Confirmation })));
const NewPassword = lazy(() => import('./views/new-password.js').then((view) => ({ default: view.NewPassword })));
const SignUp = lazy(() => import('./views/sign-up.js').then((view) => ({ default: view.SignUp })));
const SettingsView = lazy(() => import('./views/settings/settings.js').then((view) => ({ default: view.SettingsView })));

/** The page. */
export function App({ starting }: { starting: Promise<PageSession> }) {
  const { t } = useWords();
  return (
    <>
      <Suspense fallback={<Splash text={t('starting')} />}>
        <Started starting={starting} />
      </Suspense>
      <UpdateNote />
      <Toasts />
    </>
  );
}

function Started({ starting }: { starting: Promise<PageSession> }) {
  const session = use(starting);
  const state = useSyncExternalStore(session.subscribe, session.get);
  const { t } = useWords();
  const route = useRoute();
  const wanted = useRef<Route>(undefined);
  // Links that were sent to a user work in every state of the session.
  const isOfLink = route.name === 'confirm' || route.name === 'new-password';
  useEffect(() => {
    const isAtDoor = route.name === 'sign-in' || route.name === 'sign-up';
    if (state.kind === 'staff' && !isOfLink && route.name !== 'operator') {
      go({ name: 'operator', path: '' }, true);
    } else if (state.kind === 'out' && !isAtDoor && !isOfLink && route.name !== 'operator') {
      wanted.current = route;
      go({ name: 'sign-in' }, true);
    } else if (state.kind === 'in' && isAtDoor) {
      go(wanted.current ?? { name: 'rooms' }, true);
      wanted.current = undefined;
    }
  }, [state.kind, route, isOfLink]);
  if (route.name === 'confirm') return <Confirmation key={route.token} session={session} token={route.token} />;
  if (route.name === 'new-password') return <NewPassword key={route.token} session={session} token={route.token} />;
  switch (state.kind) {
    case 'starting':
      return <Splash text={t('starting')} />;
    case 'unreachable':
      return (
        <Splash text={t('unreachable')}>
          <button type="button" className="button primary" onClick={() => void session.start()}>
            {t('retry')}
          </button>
        </Splash>
      );
    case 'staff':
      return <Operator session={session} state={state} path={route.name === 'operator' ? route.path : ''} />;
    case 'out':
      if (route.name === 'operator') return <Operator session={session} state={state} path={route.path} />;
      if (route.name === 'sign-up') return <SignUp key={route.invitation} session={session} invitation={route.invitation} />;
      return (
        <SignIn
          session={session}
          ended={state.ended}
          user={route.name === 'sign-in' ? (route.user ?? '') : ''}
        />
      );
    case 'in':
      if (route.name === 'operator') return <Operator session={session} state={state} path={route.path} />;
      return (
        <BoxroomProvider key={state.chat.userId} chat={state.chat}>
          <Shell session={session} route={route} />
        </BoxroomProvider>
      );
  }
}

function Splash({ text, children }: { text: string; children?: ReactNode }) {
  return (
    <main className="splash">
      <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width="72" height="72" />
      <h1 className="splash-text" role="status">
        {text}
      </h1>
      {children}
    </main>
  );
}

function UpdateNote() {
  const { t } = useWords();
  const waiting = useSyncExternalStore(update.subscribe, update.get);
  if (!waiting) return null;
  return (
    <div className="update-note" role="status">
      <span>{t('update_ready')}</span>
      <button type="button" className="button small" onClick={update.apply}>
        {t('update_now')}
      </button>
    </div>
  );
}

/** Navigation and the current view. On wide screens the rooms stay beside the conversation. */
function Shell({ session, route }: { session: PageSession; route: Route }) {
  const isWide = useIsWide();
  const { t } = useWords();
  const alarms = useAlarms().unread;
  useTitleCount(useUnread());
  useEffect(() => showBadge(alarms), [alarms]);
  useEffect(() => () => showBadge(0), []);
  const isInRoom = route.name === 'room';
  const hasSide = isWide && (isInRoom || route.name === 'rooms');
  const focus = useRef<HTMLElement>(null);
  const [shown, setShown] = useState(hrefOf(route));
  const href = hrefOf(route).split('?')[0] ?? '';
  useEffect(() => {
    // Readers of the screen continue at the new view.
    if (shown !== href) focus.current?.focus({ preventScroll: true });
    setShown(href);
  }, [href, shown]);
  return (
    <div className={`shell ${isInRoom ? 'in-room' : ''}`}>
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          focus.current?.focus();
        }}
      >
        {t('skip')}
      </a>
      {(isWide || !isInRoom) && <Navigation route={route} />}
      {hasSide && (
        <aside className="side" aria-label={t('rooms_title')}>
          <RoomsView current={route.name === 'room' ? route.room : undefined} isSide />
        </aside>
      )}
      <main id="main" className="main" ref={focus} tabIndex={-1}>
        <Suspense fallback={<Loading />}>
          <View session={session} route={route} isWide={isWide} />
        </Suspense>
      </main>
    </div>
  );
}

function View({ session, route, isWide }: { session: PageSession; route: Route; isWide: boolean }) {
  const { t } = useWords();
  switch (route.name) {
    case 'boxes':
    case 'lobby':
      return <NearbyView tab={route.name} />;
    case 'box':
      return <BoxView key={route.box} boxId={route.box} />;
    case 'join':
      return <JoinView key={route.room} roomId={route.room} invitation={route.invitation} />;
    case 'room':
      return <RoomView key={route.room} roomId={route.room} messageId={route.message} />;
    case 'alarms':
      return <AlarmsView />;
    case 'settings':
      return <SettingsView session={session} />;
    default:
      if (!isWide) return <RoomsView />;
      return (
        <>
          <h1 className="hidden">{t('rooms_title')}</h1>
          <Empty icon="chat" text={t('choose_room')} />
        </>
      );
  }
}

function Navigation({ route }: { route: Route }) {
  const { t, n } = useWords();
  const unread = useUnread();
  const alarms = useAlarms().unread;
  const entries: [Route['name'][], Route, IconName, string, number, string][] = [
    [['rooms', 'room'], { name: 'rooms' }, 'chat', t('nav_rooms'), unread, n('unread_count', unread)],
    [['boxes', 'lobby', 'box', 'join'], { name: 'boxes' }, 'box', t('nav_boxes'), 0, ''],
    [['alarms'], { name: 'alarms' }, 'bell', t('nav_alarms'), alarms, n('alarms_unread', alarms)],
    [['settings'], { name: 'settings' }, 'gear', t('nav_settings'), 0, ''],
  ];
  return (
    <nav className="navigation" aria-label={t('navigation')}>
      <ul>
        {entries.map(([names, to, icon, label, count, spoken]) => (
          <li key={label}>
            <a href={hrefOf(to)} aria-current={names.includes(route.name) ? 'page' : undefined}>
              <span className="nav-icon">
                <Icon name={icon} />
                <Badge count={count} label={spoken} />
              </span>
              <span className="nav-label">{label}</span>
            </a>
          </li>
        ))}
      </ul>
      <ConnectionMark />
    </nav>
  );
}
