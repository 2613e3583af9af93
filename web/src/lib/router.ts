/** Routes in the hash of the address. */

import { useSyncExternalStore } from 'react';

/** A place of the page. */
export type Route =
  | { name: 'boxes' | 'lobby' | 'rooms' | 'alarms' | 'settings' }
  | { name: 'sign-in'; user?: string }
  | { name: 'sign-up'; invitation?: string }
  /** Pages of links that are sent to users: the registration is confirmed, or a lost password is replaced. */
  | { name: 'confirm' | 'new-password'; token?: string }
  | { name: 'box'; box: string }
  | { name: 'room'; room: string; message?: string }
  | { name: 'join'; room: string; invitation?: string }
  /** The page of operators and moderators; the path is one of its views. */
  | { name: 'operator'; path: string };

const PLAIN = ['boxes', 'lobby', 'rooms', 'alarms', 'settings'] as const;

/** Reads a hash like `#/room/locker-7.1?message=4711`. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [name, id = ''] = path.split('/').map(decode);
  const params = new URLSearchParams(query);
  const optional = <K extends string>(key: K) => {
    const value = params.get(key);
    return (value ? { [key]: value } : {}) as { [P in K]?: string };
  };
  if (name === 'box' && id) return { name, box: id };
  if (name === 'room' && id) return { name, room: id, ...optional('message') };
  if (name === 'join' && id) return { name, room: id, ...optional('invitation') };
  if (name === 'sign-in') return { name, ...optional('user') };
  if (name === 'sign-up') return { name, ...optional('invitation') };
  if (name === 'confirm' || name === 'new-password') return { name, ...optional('token') };
  if (name === 'operator') return { name, path: hash.replace(/^#\/?operator\/?/, '') };
  return { name: PLAIN.find((plain) => plain === name) ?? 'rooms' };
}

/** Writes the hash of a route. */
export function hrefOf(route: Route): string {
  switch (route.name) {
    case 'box':
      return `#/box/${encodeURIComponent(route.box)}`;
    case 'room':
      return `#/room/${encodeURIComponent(route.room)}${queryOf('message', route.message)}`;
    case 'join':
      return `#/join/${encodeURIComponent(route.room)}${queryOf('invitation', route.invitation)}`;
    case 'sign-in':
      return `#/sign-in${queryOf('user', route.user)}`;
    case 'sign-up':
      return `#/sign-up${queryOf('invitation', route.invitation)}`;
    case 'confirm':
    case 'new-password':
      return `#/${route.name}${queryOf('token', route.token)}`;
    case 'operator':
      return `#/operator/${route.path}`;
    default:
      return `#/${route.name}`;
  }
}

function queryOf(key: string, value: string | undefined): string {
  return value === undefined ? '' : `?${key}=${encodeURIComponent(value)}`;
}

/** Goes to a route. */
export function go(route: Route, replace = false): void {
  const href = hrefOf(route);
  if (replace) {
    history.replaceState(null, '', href);
    dispatchEvent(new HashChangeEvent('hashchange'));
  } else location.hash = href;
}

const subscribe = (listener: () => void) => {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
};

/** The current route. */
export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  return parseRoute(hash);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
