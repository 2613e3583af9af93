/** Routes in the hash of the address. */

import { useSyncExternalStore } from 'react';

/** A place of the page. */
export type Route =
  | { name: 'sign-in' | 'sign-up' | 'boxes' | 'lobby' | 'rooms' | 'alarms' | 'settings' }
  | { name: 'box'; box: string }
  | { name: 'room'; room: string; message?: string }
  | { name: 'join'; room: string; invitation?: string }
  /** The page of operators and moderators; the path is one of its views. */
  | { name: 'operator'; path: string };

const PLAIN = ['sign-in', 'sign-up', 'boxes', 'lobby', 'rooms', 'alarms', 'settings'] as const;

/** Reads a hash like `#/room/locker-7.1?message=4711`. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [name, id = ''] = path.split('/').map(decode);
  const params = new URLSearchParams(query);
  if (name === 'box' && id) return { name, box: id };
  if (name === 'room' && id) {
    const message = params.get('message');
    return { name, room: id, ...(message ? { message } : {}) };
  }
  if (name === 'join' && id) {
    const invitation = params.get('invitation');
    return { name, room: id, ...(invitation ? { invitation } : {}) };
  }
  if (name === 'operator') return { name, path: hash.replace(/^#\/?operator\/?/, '') };
  return { name: PLAIN.find((plain) => plain === name) ?? 'rooms' };
}

/** Writes the hash of a route. */
export function hrefOf(route: Route): string {
  switch (route.name) {
    case 'box':
      return `#/box/${encodeURIComponent(route.box)}`;
    case 'room':
      return `#/room/${encodeURIComponent(route.room)}${route.message ? `?message=${route.message}` : ''}`;
    case 'join':
      return `#/join/${encodeURIComponent(route.room)}${
        route.invitation ? `?invitation=${encodeURIComponent(route.invitation)}` : ''
      }`;
    case 'operator':
      return `#/operator/${route.path}`;
    default:
      return `#/${route.name}`;
  }
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
