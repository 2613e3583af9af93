/** The service worker: starts the page without a network, and shows push messages. */

const VERSION = '%VERSION%';
const FILES = ['%FILES%'];
const CACHE = `boxroom-${VERSION}`;

self.addEventListener('install', (event) => {
  event.waitUntil(
    caches.open(CACHE).then((cache) => cache.addAll(FILES.map((url) => new Request(url, { cache: 'reload' })))),
  );
});

self.addEventListener('activate', (event) => {
  const isOld = (name) => name.startsWith('boxroom-') && name !== CACHE;
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter(isOld).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener('message', (event) => {
  if (event.data === 'activate') self.skipWaiting();
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return;
  if (!url.pathname.startsWith(new URL('./', location.href).pathname)) return;
  if (request.mode === 'navigate') event.respondWith(fresh(request, './'));
  else if (url.pathname.endsWith('/config.json')) event.respondWith(fresh(request, request));
  else event.respondWith(caches.match(request, { ignoreVary: true }).then((found) => found ?? fetch(request)));
});

/** Answers from the network, and from the cache if there is none. */
async function fresh(request, key) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(key, response.clone());
    return response;
  } catch (error) {
    const found = await cache.match(key, { ignoreVary: true });
    if (found) return found;
    throw error;
  }
}

self.addEventListener('push', (event) => {
  let message = {};
  try {
    message = event.data?.json() ?? {};
  } catch {
    // A push message of another sender shows the name of the page only.
  }
  event.waitUntil(show(message, event.data !== null));
});

/** Shows a push message, unless its room is before the eyes of the user. */
async function show({ title, body, badge, urgent, data = {} }, hasContent) {
  if (typeof badge === 'number') await self.navigator.setAppBadge?.(badge).catch(() => {});
  // A message without texts only sets the badge.
  if (hasContent && title === undefined && body === undefined) return;
  const { room_id: room, message_id: message } = data;
  const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  if (room && pages.some(({ focused, url }) => focused && isOf(url, room))) return;
  const options = {
    body: body ?? '',
    tag: room ?? 'boxroom',
    renotify: urgent === true,
    icon: 'icon.svg',
    data: { room, message },
  };
  await self.registration.showNotification(title ?? 'Boxroom', options);
}

/** Returns true if the address is that of a room. */
function isOf(address, room) {
  return new URL(address).hash.split('?')[0] === `#/room/${encodeURIComponent(room)}`;
}

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const { room, message } = event.notification.data ?? {};
  const query = message ? `?message=${encodeURIComponent(message)}` : '';
  const hash = room ? `#/room/${encodeURIComponent(room)}${query}` : '#/alarms';
  event.waitUntil(
    self.clients.matchAll({ type: 'window', includeUncontrolled: true }).then(async (pages) => {
      const page = pages[0];
      if (!page) return self.clients.openWindow(new URL(`./${hash}`, location.href).href);
      page.postMessage({ open: hash });
      await page.focus().catch(() => {});
    }),
  );
});

self.addEventListener('pushsubscriptionchange', (event) => {
  event.waitUntil(renew(event));
});

/** Makes a new subscription in place of one that has ended. A page tells the service of it: this one has no token. */
async function renew({ oldSubscription, newSubscription }) {
  const key = oldSubscription?.options.applicationServerKey;
  if (!newSubscription && key) {
    const options = { userVisibleOnly: true, applicationServerKey: key };
    await self.registration.pushManager.subscribe(options).catch(() => {});
  }
  const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  pages.forEach((page) => page.postMessage({ push: 'changed' }));
}
