/** The page of operators and moderators. It is loaded when it is opened. */

import { useEffect, useRef, useState } from 'react';
import { useIsWide } from '../lib/hooks.js';
import type { PageSession, SessionState, Staff } from '../lib/session.js';
import { useWords } from '../texts/index.js';
import { Dialog, Icon, IconButton } from '../ui/parts.js';
import { ServicesProvider, useServices, useTexts, type OperatorKey } from './context.js';
import { Door } from './door.js';
import './operator.css';
import { View } from './parts.js';
import { at, parsePath, type Place, type ViewName } from './routes.js';
import { AccountView } from './views/account.js';
import { AuditView } from './views/audit.js';
import { BoxView } from './views/box.js';
import { BoxesView } from './views/boxes.js';
import { FiltersView } from './views/filters.js';
import { ModelsView } from './views/models.js';
import { PushesView, PushView } from './views/pushes.js';
import { QuarantinedView, QuarantineView } from './views/quarantine.js';
import { ReportView } from './views/report.js';
import { ReportsView } from './views/reports.js';
import { RoomsView, RoomView } from './views/rooms.js';
import { StoresView, StoreView } from './views/stores.js';
import { UsersView, UserView } from './views/users.js';
import { WebhookView } from './views/webhook.js';
import { WebhooksView } from './views/webhooks.js';

/** The groups of the navigation. */
const GROUPS: readonly { title: OperatorKey; views: readonly ViewName[]; isForOperators: boolean }[] = [
  { title: 'group_moderation', views: ['reports', 'rooms', 'users', 'filters'], isForOperators: false },
  { title: 'group_catalogue', views: ['boxes', 'stores'], isForOperators: false },
  { title: 'group_system', views: ['models', 'quarantine', 'webhooks', 'pushes', 'audit'], isForOperators: true },
];

/** The views of operators, or the way to them. */
export function Operator({ session, state, path }: { session: PageSession; state: SessionState; path: string }) {
  if (state.kind === 'staff') {
    return (
      <ServicesProvider staff={state.staff} operatorUrl={session.operatorUrl}>
        <Shell session={session} staff={state.staff} path={path} />
      </ServicesProvider>
    );
  }
  const user = state.kind === 'in' ? state.chat.userId : undefined;
  return <Door session={session} user={user} ended={state.kind === 'out' && state.ended} />;
}

function Shell({ session, staff, path }: { session: PageSession; staff: Staff; path: string }) {
  const { t } = useTexts();
  const { t: page } = useWords();
  const isWide = useIsWide();
  const place = parsePath(path);
  const focus = useRef<HTMLElement>(null);
  const key = `${place.view} ${place.id ?? ''} ${JSON.stringify(place.query ?? {})}`;
  const [shown, setShown] = useState(key);
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    // Readers of the screen continue at the new view.
    if (shown !== key) {
      focus.current?.focus({ preventScroll: true });
      focus.current?.scrollTo(0, 0);
    }
    setShown(key);
    setOpen(false);
  }, [key, shown]);
  return (
    <div className="ops">
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          focus.current?.focus();
        }}
      >
        {page('skip')}
      </a>
      <header className="ops-bar">
        {!isWide && <IconButton icon="menu" label={t('menu')} onClick={() => setOpen(true)} />}
        <span className="ops-brand">{page('app')}</span>
        <a className="ops-who" href={at('account')}>
          {`${staff.userId} · ${t(`role_${staff.role}`)}`}
        </a>
      </header>
      {isWide && <Navigation place={place} />}
      {!isWide && isOpen && (
        <Dialog title={t('menu')} onClose={() => setOpen(false)} className="sheet">
          <Navigation place={place} />
        </Dialog>
      )}
      <main id="main" className="main ops-main" ref={focus} tabIndex={-1}>
        <Content key={key} session={session} place={place} />
      </main>
    </div>
  );
}

function Navigation({ place }: { place: Place }) {
  const { t } = useTexts();
  const { t: page } = useWords();
  const { isOperator } = useServices();
  const groups = GROUPS.filter((group) => isOperator || !group.isForOperators);
  return (
    <nav className="ops-nav" aria-label={page('navigation')}>
      {groups.map(({ title, views }) => (
        <div key={title} className="ops-nav-group">
          <p id={`nav-${title}`}>{t(title)}</p>
          <ul aria-labelledby={`nav-${title}`}>
            {views.map((view) => (
              <li key={view}>
                <a href={at(view)} aria-current={view === place.view ? 'page' : undefined}>
                  {t(view)}
                </a>
              </li>
            ))}
          </ul>
        </div>
      ))}
      <ul>
        <li>
          <a href={at('account')} aria-current={place.view === 'account' ? 'page' : undefined}>
            {t('account')}
          </a>
        </li>
      </ul>
    </nav>
  );
}

function Content({ session, place: { view, id, query } }: { session: PageSession; place: Place }) {
  const { isOperator, gateway } = useServices();
  switch (view) {
    case 'reports':
      return id ? <ReportView id={id} /> : <ReportsView />;
    case 'rooms':
      return id ? <RoomView id={id} /> : <RoomsView />;
    case 'users':
      return id ? <UserView id={id} /> : <UsersView />;
    case 'filters':
      return <FiltersView />;
    case 'boxes':
      return id ? <BoxView id={id} /> : <BoxesView />;
    case 'stores':
      return id ? <StoreView id={id} /> : <StoresView />;
    case 'account':
      return <AccountView session={session} />;
    default:
      if (!isOperator) return <ForOperators view={view} />;
      if (!gateway) return <NoGateway view={view} />;
      return view === 'audit' ? <AuditView query={query ?? {}} /> : <SystemView view={view} id={id} />;
  }
}

/** A view that needs the gateway. */
function SystemView({ view, id }: { view: ViewName; id: string | undefined }) {
  switch (view) {
    case 'quarantine':
      return id ? <QuarantinedView id={id} /> : <QuarantineView />;
    case 'webhooks':
      return id ? <WebhookView id={id} /> : <WebhooksView />;
    case 'pushes':
      return id ? <PushView id={id} /> : <PushesView />;
    default:
      return <ModelsView />;
  }
}

function ForOperators({ view }: { view: ViewName }) {
  const { t } = useTexts();
  return (
    <View title={t(view)}>
      <p className="note">{t('for_operators')}</p>
    </View>
  );
}

function NoGateway({ view }: { view: ViewName }) {
  const { t } = useTexts();
  return (
    <View title={t(view)}>
      <div className="ops-section">
        <p className="row">
          <Icon name="gear" />
          <strong>{t('no_gateway')}</strong>
        </p>
        <p>{t('no_gateway_lead')}</p>
        <pre className="ops-code" tabIndex={0}>
          {'operator-gateway …\nquery-service --page-operator-url https://operators.chat.example …'}
        </pre>
        <p className="quiet">{t('no_gateway_other')}</p>
      </div>
    </View>
  );
}
