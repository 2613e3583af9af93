/** Finding messages of a room: by words, by date, and the pinned ones. */

import { useBoxroom, useNames, type ChatMessage, type MessageActions } from '@boxroom/react';
import { useState, type FormEvent } from 'react';
import { useAction, useLoad } from '../../lib/hooks.js';
import { dateTimeOf } from '../../lib/time.js';
import { useWords } from '../../texts/index.js';
import { Empty, Field, FormError, Loading } from '../../ui/parts.js';
import { Body } from './body.js';

type Found = ChatMessage & { highlights?: readonly number[][]; blocked?: boolean };

/** A search in a room. */
export function Search({ roomId, onJump }: { roomId: string; onJump: (id: string) => void }) {
  const { t, n } = useWords();
  const client = useBoxroom();
  const [query, setQuery] = useState('');
  const [result, setResult] = useState<{ q: string; items: readonly Found[]; next: string | null }>();
  const { busy, error, run } = useAction();
  const search = (q: string, cursor?: string) =>
    run(async () => {
      // The description demands a span of time, and the service does not.
      const params = { q, room: roomId, limit: 30, ...(cursor ? { cursor } : {}) };
      const page = await client.api.searchMessages(params as Parameters<typeof client.api.searchMessages>[0]);
      const items = page.items as unknown as Found[];
      setResult((last) => ({ q, items: cursor && last ? [...last.items, ...items] : items, next: page.next }));
    });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (query.trim() !== '') void search(query.trim());
  };
  return (
    <div className="panel-body">
      <form className="row search-form" role="search" onSubmit={submit}>
        <Field
          label={t('search_messages')}
          className="grow label-hidden"
          type="search"
          placeholder={t('search_messages')}
          maxLength={200}
          autoFocus
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
        <button className="button primary" disabled={busy}>
          {t('search')}
        </button>
      </form>
      <FormError text={error} />
      <p className="small quiet" role="status">
        {result ? (result.items.length === 0 ? t('search_nothing') : n('search_found', result.items.length)) : ''}
      </p>
      <FoundList found={result?.items ?? []} onJump={onJump} />
      {result?.next && (
        <button
          type="button"
          className="button wide"
          disabled={busy}
          onClick={() => void search(result.q, result.next ?? '')}
        >
          {t('more')}
        </button>
      )}
    </div>
  );
}

function FoundList({ found, onJump }: { found: readonly Found[]; onJump: (id: string) => void }) {
  const { t, language } = useWords();
  const nameOf = useNames();
  return (
    <ul className="found">
      {found.map((message) => (
        <li key={message.message_id}>
          <div className="found-entry">
            <button type="button" className="found-head" onClick={() => onJump(message.message_id)}>
              <span className="author">{nameOf(message.author) ?? t('unknown_user')}</span>
              <span className="small quiet">{dateTimeOf(language, message.posted_at)}</span>
            </button>
            <p className="text" dir="auto">
              {message.blocked ? (
                <span className="gone">{t('blocked_message')}</span>
              ) : message.body === null ? (
                <span className="gone">{t('deleted')}</span>
              ) : (
                <Body message={message} highlights={message.highlights} />
              )}
            </p>
          </div>
        </li>
      ))}
    </ul>
  );
}

/** The pinned messages of a room. */
export function Pins(props: { roomId: string; pinned: readonly string[]; onJump: (id: string) => void }) {
  const { roomId, pinned, onJump } = props;
  const { t } = useWords();
  const client = useBoxroom();
  const { data, isLoading } = useLoad(pinned.join(' '), () =>
    Promise.all(pinned.map((message) => client.api.showMessage({ room: roomId, message }))),
  );
  if (pinned.length === 0) return <Empty icon="pin" text={t('no_pins')} />;
  return (
    <div className="panel-body">
      {isLoading && <Loading />}
      <FoundList found={(data ?? []) as unknown as Found[]} onJump={onJump} />
    </div>
  );
}

/** The form that goes to a date. */
export function DateJump({ messages, onJump }: { messages: MessageActions; onJump: (id: string) => void }) {
  const { t } = useWords();
  const [date, setDate] = useState('');
  const { busy, error, run, setError } = useAction();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      const id = await messages.jumpToDate(new Date(`${date}T00:00`));
      if (id === undefined) setError(t('no_message_since'));
      else onJump(id);
    });
  };
  return (
    <form className="panel-body" onSubmit={submit}>
      <Field label={t('date')} type="date" required value={date} onChange={(event) => setDate(event.target.value)} />
      <FormError text={error} />
      <button className="button primary" disabled={busy || date === ''}>
        {t('go')}
      </button>
    </form>
  );
}
