/** Parts of the operators' views. */

import { useId, type ReactNode } from 'react';
import { useTitle } from '../lib/hooks.js';
import { dateTimeOf } from '../lib/time.js';
import { useWords } from '../texts/index.js';
import { Empty, FormError, Icon, Loading, type IconName } from '../ui/parts.js';
import { useProblemText } from './hooks.js';

/** A view: its title, its actions and its content. */
export function View({
  title,
  back,
  actions,
  children,
}: {
  title: string;
  /** The address of the list above. */
  back?: string;
  actions?: ReactNode;
  children: ReactNode;
}) {
  const { t } = useWords();
  useTitle(title);
  return (
    <div className="ops-view">
      <header className="ops-head">
        {back && (
          <a className="icon-button" href={back} aria-label={t('back')} title={t('back')}>
            <Icon name="back" />
          </a>
        )}
        <h1>{title}</h1>
        {actions && <div className="ops-actions">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

/** A part of a view with a title. */
export function Section({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <section className="ops-section" aria-labelledby={id}>
      <header className="ops-section-head">
        <h2 id={id}>{title}</h2>
        {actions && <div className="ops-actions">{actions}</div>}
      </header>
      {children}
    </section>
  );
}

/** The content of a read: the mark of loading, its error, or the data with a note that they are old. */
export function Loaded<T>({
  read,
  children,
}: {
  read: { data: T | undefined; error: unknown; reload: () => void };
  children: (data: T) => ReactNode;
}) {
  const { t } = useWords();
  const describe = useProblemText();
  const failure = read.error !== undefined && (
    <div className="ops-failure" role="alert">
      <p className="form-error">{describe(read.error)}</p>
      <button type="button" className="button small" onClick={read.reload}>
        {t('retry')}
      </button>
    </div>
  );
  if (read.data === undefined) return failure || <Loading />;
  return (
    <>
      {failure}
      {children(read.data)}
    </>
  );
}

/** A list that is read page by page. */
export function Listed<T>({
  pages,
  label,
  empty,
  icon,
  children,
}: {
  pages: {
    items: T[] | undefined;
    error: unknown;
    next: string | null | undefined;
    more: { busy: boolean; error: string | undefined; load: () => void };
    reload: () => void;
  };
  label: string;
  empty: string;
  icon: IconName;
  children: (item: T) => ReactNode;
}) {
  const { t } = useWords();
  return (
    <Loaded read={{ data: pages.items, error: pages.error, reload: pages.reload }}>
      {(items) =>
        items.length === 0 ? (
          <Empty icon={icon} text={empty} />
        ) : (
          <>
            <ul className="ops-list" aria-label={label}>
              {items.map(children)}
            </ul>
            <FormError text={pages.more.error} />
            {pages.next && (
              <button type="button" className="button" disabled={pages.more.busy} onClick={pages.more.load}>
                {t('more')}
              </button>
            )}
          </>
        )
      }
    </Loaded>
  );
}

/** An entry of a list that leads to a view. */
export function Entry({
  href,
  title,
  end,
  children,
}: {
  href: string;
  title: ReactNode;
  end?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <li>
      <a className="ops-entry" href={href}>
        <span className="ops-entry-text">
          <span className="ops-entry-title">{title}</span>
          {children && <span className="small quiet">{children}</span>}
        </span>
        {end && <span className="ops-entry-end">{end}</span>}
      </a>
    </li>
  );
}

/** A state in a word. */
export function Mark({ tone, children }: { tone: 'good' | 'warn' | 'bad' | 'plain'; children: ReactNode }) {
  return <span className={`ops-mark is-${tone}`}>{children}</span>;
}

/** Names and their values. Undefined values are left out. */
export function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  const shown = facts.filter(([, value]) => value !== undefined && value !== null && value !== '');
  return (
    <dl className="ops-facts">
      {shown.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A time. */
export function Moment({ at }: { at: string }) {
  const { language } = useWords();
  return (
    <time dateTime={at} title={at}>
      {dateTimeOf(language, at)}
    </time>
  );
}

/** A table that scrolls by itself on narrow screens. */
export function Table({ label, heads, children }: { label: string; heads: readonly string[]; children: ReactNode }) {
  return (
    <div className="ops-table" role="group" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** A choice of one of several lists. */
export function Tabs<T extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
}) {
  return (
    <div className="ops-tabs" role="group" aria-label={label}>
      {options.map(([key, text]) => (
        <button key={key} type="button" aria-pressed={key === value} onClick={() => onChange(key)}>
          {text}
        </button>
      ))}
    </div>
  );
}

/** A field of several lines. */
export function LongField({
  label,
  hint,
  ...rest
}: { label: string; hint?: string } & React.TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <textarea id={id} rows={3} {...(hint ? { 'aria-describedby': `${id}-hint` } : {})} {...rest} />
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}
