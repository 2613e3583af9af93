/** The service worker: registration, and the note that a new version is ready. */

interface Policy {
  createScriptURL(url: string): string;
}

type TrustedTypes = { createPolicy(name: string, rules: Policy): Policy };

const listeners = new Set<() => void>();
let waiting: ServiceWorker | null = null;

/** Returns the address in the form that the policy of the page demands. */
function scriptUrl(url: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  if (!trustedTypes) return url;
  const policy = trustedTypes.createPolicy('boxroom-worker', { createScriptURL: () => url });
  return policy.createScriptURL(url);
}

/** Registers the service worker. Without it the page works, but does not start without a network. */
export function startWorker(): void {
  if (!('serviceWorker' in navigator)) return;
  void register().catch(() => {});
}

async function register(): Promise<void> {
  const { serviceWorker } = navigator;
  const registration = await serviceWorker.register(scriptUrl(`${import.meta.env.BASE_URL}sw.js`));
  const watch = (worker: ServiceWorker | null) => {
    worker?.addEventListener('statechange', () => {
      if (worker.state !== 'installed' || !serviceWorker.controller) return;
      waiting = worker;
      listeners.forEach((listener) => listener());
    });
  };
  registration.addEventListener('updatefound', () => watch(registration.installing));
  serviceWorker.addEventListener('message', ({ data }: MessageEvent<{ open?: string }>) => {
    if (typeof data.open === 'string' && data.open.startsWith('#/')) location.hash = data.open;
  });
}

/** A new version that waits, in the form of `useSyncExternalStore`. */
export const update = {
  get: () => waiting,
  subscribe: (listener: () => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  /** Starts the new version. */
  apply: () => {
    navigator.serviceWorker.addEventListener('controllerchange', () => location.reload());
    waiting?.postMessage('activate');
  },
};

/** Closes the notifications of a room, which the user sees now. */
export async function closeNotifications(roomId: string): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  const shown = (await registration?.getNotifications({ tag: roomId })) ?? [];
  for (const notification of shown) notification.close();
}

/** Shows the number of unread alarms at the icon of the installed page, as push messages do. */
export function showBadge(count: number): void {
  void (count > 0 ? navigator.setAppBadge?.(count) : navigator.clearAppBadge?.())?.catch(() => {});
}
