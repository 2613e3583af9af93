/** The audit trail: executed commands with their actors, times and reasons. */

import { useEffect, useRef, useState, type FormEvent } from 'react';
import { useWords } from '../../texts/index.js';
import { Choice, Empty, Field, FormError, Loading } from '../../ui/parts.js';
import { useGateway, useTexts } from '../context.js';
import { localOf, momentOf, numberOf } from '../format.js';
import { useTask } from '../hooks.js';
import { Newest } from '../newest.js';
import { Moment, Section, Table, View } from '../parts.js';
import type { ActorRole, Audit, AuditCursor, Entry } from '../protocol.js';
import type { AuditQuery } from '../routes.js';

/** The number of commands that are kept: the newest ones. */
const LIMIT = 1000;

/** The number of commands on a page. */
const PAGE = 50;

/** The first choice of the start time: a day before now. */
const DAY_MS = 86_400_000;

type Role = ActorRole | 'all';

/** A form, and what it has found. */
export function AuditView({ query }: { query: AuditQuery }) {
  const { t } = useTexts();
  const [actor, setActor] = useState(query.actor ?? '');
  const [role, setRole] = useState<Role>('all');
  const [box, setBox] = useState(query.box ?? '');
  const [since, setSince] = useState(() => localOf(new Date(Date.now() - DAY_MS)));
  const [until, setUntil] = useState('');
  const text = (written: string) => (written.trim() === '' ? null : written.trim());
  const filter = (): Filter => ({
    actor: text(actor),
    role: role === 'all' ? null : role,
    box_id: text(box),
    since: momentOf(since),
    until: momentOf(until),
  });
  const [asked, setAsked] = useState<{ round: number; filter: Filter } | undefined>(() =>
    query.actor || query.box ? { round: 0, filter: filter() } : undefined,
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked((last) => ({ round: (last?.round ?? 0) + 1, filter: filter() }));
  };
  return (
    <View title={t('audit')}>
      <form className="ops-filter" role="search" aria-label={t('audit_filter')} onSubmit={submit}>
        <Field
          label={t('actor')}
          hint={t('actor_hint')}
          autoCapitalize="none"
          spellCheck={false}
          value={actor}
          onChange={(event) => setActor(event.target.value)}
        />
        <Choice
          label={t('role')}
          value={role}
          options={[
            ['all', t('all')],
            ['user', t('role_user')],
            ['operator', t('role_operator')],
            ['moderator', t('role_moderator')],
            ['device', t('role_device')],
            ['system', t('role_system')],
          ]}
          onChange={setRole}
        />
        <Field
          label={t('box_id')}
          autoCapitalize="none"
          spellCheck={false}
          value={box}
          onChange={(event) => setBox(event.target.value)}
        />
        <Field
          label={t('since')}
          type="datetime-local"
          value={since}
          onChange={(event) => setSince(event.target.value)}
        />
        <Field
          label={t('until')}
          type="datetime-local"
          value={until}
          onChange={(event) => setUntil(event.target.value)}
        />
        <button className="button primary">{t('show_commands')}</button>
      </form>
      {asked ? <Found key={asked.round} filter={asked.filter} /> : <p className="quiet">{t('audit_lead')}</p>}
    </View>
  );
}

type Filter = Omit<Audit, 'after'>;

/** Reads the whole trail page by page, and shows the newest commands. */
function Found({ filter }: { filter: Filter }) {
  const { t, n } = useTexts();
  const { t: page } = useWords();
  const gateway = useGateway();
  const { error, run } = useTask();
  const [newest] = useState(() => new Newest(LIMIT));
  const [entries, setEntries] = useState<Entry[]>([]);
  const [reading, setReading] = useState<AuditCursor | 'start' | undefined>('start');
  const [first, setFirst] = useState(0);
  const isStopped = useRef(false);
  const after = useRef<AuditCursor | null>(null);
  const read = () =>
    run(async () => {
      do {
        const found = await gateway.projector('audit', { ...filter, after: after.current });
        if (isStopped.current) return;
        newest.add(found.entries);
        after.current = found.next;
        setEntries(newest.list());
        setReading(found.next ?? undefined);
      } while (after.current !== null);
    });
  const start = useRef(read);
  useEffect(() => {
    isStopped.current = false;
    void start.current();
    return () => {
      isStopped.current = true;
    };
  }, []);
  const shown = entries.slice(first, first + PAGE);
  const isReading = reading !== undefined && error === undefined;
  return (
    <Section title={n('commands_found', entries.length)}>
      {isReading && entries.length === 0 && <Loading />}
      {isReading && reading !== 'start' && (
        <p className="quiet" role="status">
          {t('reading_log', { stream: reading.stream, sequence: reading.sequence })}
        </p>
      )}
      <FormError text={error} />
      {error !== undefined && (
        <button type="button" className="button" onClick={() => void read()}>
          {page('retry')}
        </button>
      )}
      {!isReading && entries.length === 0 && error === undefined && <Empty icon="clock" text={t('no_commands')} />}
      {newest.omitted > 0 && <p className="note">{n('older_omitted', newest.omitted)}</p>}
      {entries.length > 0 && <Entries entries={shown} />}
      {entries.length > PAGE && (
        <div className="row between">
          <button
            type="button"
            className="button"
            disabled={first === 0}
            onClick={() => setFirst(Math.max(0, first - PAGE))}
          >
            {t('newer')}
          </button>
          <Range first={first + 1} last={first + shown.length} total={entries.length} />
          <button
            type="button"
            className="button"
            disabled={first + PAGE >= entries.length}
            onClick={() => setFirst(first + PAGE)}
          >
            {t('older')}
          </button>
        </div>
      )}
    </Section>
  );
}

function Range({ first, last, total }: { first: number; last: number; total: number }) {
  const { t } = useTexts();
  const { language } = useWords();
  const number = (value: number) => numberOf(language, value);
  return (
    <span className="small">{t('range', { first: number(first), last: number(last), total: number(total) })}</span>
  );
}

function Entries({ entries }: { entries: readonly Entry[] }) {
  const { t } = useTexts();
  return (
    <Table
      label={t('audit')}
      heads={[t('time'), t('actor'), t('subject'), t('events'), t('reason'), t('place_in_log')]}
    >
      {entries.map((entry) => (
        <tr key={`${entry.stream} ${entry.sequence}`}>
          <td>{entry.at ? <Moment at={entry.at} /> : '?'}</td>
          <td>
            {entry.actor}
            {entry.role && <span className="small quiet"> {t(`role_${entry.role}`)}</span>}
          </td>
          <td>{entry.subject}</td>
          <td>
            <ul>
              {entry.events.map((event, index) => (
                <li key={index}>{[event, entry.targets[index]].filter(Boolean).join(' ')}</li>
              ))}
            </ul>
          </td>
          <td>{entry.reason ?? '–'}</td>
          <td className="is-id">{`${entry.stream} ${entry.sequence}`}</td>
        </tr>
      ))}
    </Table>
  );
}
