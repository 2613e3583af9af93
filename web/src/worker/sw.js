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
  const { title, body, badge } = message;
  const { room_id: room } = message.data ?? {};
  const counted = typeof badge === 'number' ? self.navigator.setAppBadge?.(badge) : undefined;
  // A message without texts only sets the badge.
  if (event.data && title === undefined && body === undefined) return event.waitUntil(Promise.resolve(counted));
  const options = { body: body ?? '', tag: room ?? 'boxroom', icon: 'icon.svg', data: { room } };
  event.waitUntil(Promise.all([counted, self.registration.showNotification(title ?? 'Boxroom', options)]));
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const { room } = event.notification.data ?? {};
  const url = new URL(room ? `./#/room/${encodeURIComponent(room)}` : './#/alarms', location.href).href;
  event.waitUntil(
    self.clients.matchAll({ type: 'window' }).then(async (pages) => {
      const page = pages[0];
      if (!page) return self.clients.openWindow(url);
      await page.focus();
      page.postMessage({ open: new URL(url).hash });
    }),
  );
});
