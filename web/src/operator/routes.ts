/** The views of operators: the part of the address after `#/operator/`. */

import { go, hrefOf } from '../lib/router.js';

/** The names of the views. */
export const VIEWS = [
  'reports',
  'rooms',
  'users',
  'filters',
  'boxes',
  'stores',
  'models',
  'quarantine',
  'webhooks',
  'pushes',
  'audit',
  'account',
] as const;

/** The name of a view. */
export type ViewName = (typeof VIEWS)[number];

/** The filters of the audit trail in its address. */
export interface AuditQuery {
  actor?: string;
  box?: string;
}

/** A view, the id of what it shows, and the filters of a list. */
export interface Place {
  view: ViewName;
  id?: string;
  query?: AuditQuery;
}

/** Reads a path like `reports/5f0c-1`. Unknown ones are the queue of reports. */
export function parsePath(path: string): Place {
  const [before = '', after = ''] = path.split('?', 2);
  const [name = '', id = ''] = before.split('/');
  const view = VIEWS.find((known) => known === name) ?? 'reports';
  if (view === 'audit') {
    const [actor, box] = ['actor', 'box'].map((key) => new URLSearchParams(after).get(key));
    return { view, ...(actor || box ? { query: { ...(actor ? { actor } : {}), ...(box ? { box } : {}) } } : {}) };
  }
  if (id === '') return { view };
  try {
    return { view, id: decodeURIComponent(id) };
  } catch {
    return { view };
  }
}

/** Returns the address of a view. */
export function at(view: ViewName, id?: string): string {
  return hrefOf({ name: 'operator', path: id === undefined ? view : `${view}/${encodeURIComponent(id)}` });
}

/** Returns the address of the commands of an actor, or on a box. */
export function auditOf(query: AuditQuery): string {
  return `${at('audit')}?${new URLSearchParams({ ...query })}`;
}

/** Goes to a view. */
export function goTo(view: ViewName, id?: string): void {
  go({ name: 'operator', path: id === undefined ? view : `${view}/${encodeURIComponent(id)}` });
}
