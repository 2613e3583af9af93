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

/** A view, and the id of what it shows. */
export interface Place {
  view: ViewName;
  id?: string;
}

/** Reads a path like `reports/5f0c-1`. Unknown ones are the queue of reports. */
export function parsePath(path: string): Place {
  const [name = '', id = ''] = path.split('?')[0]?.split('/') ?? [];
  const view = VIEWS.find((known) => known === name) ?? 'reports';
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

/** Goes to a view. */
export function goTo(view: ViewName, id?: string): void {
  go({ name: 'operator', path: id === undefined ? view : `${view}/${encodeURIComponent(id)}` });
}
