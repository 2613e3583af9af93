/**
 * Push messages in the browser. The push service of the browser is replaced: `PushManager` takes its subscriptions from
 * the stand-in for push services (`push_url` of `BOXROOM_E2E`, or of `cargo xtask dev`), which decrypts what the notifier
 * sends. Without `push_url`, the test of a delivered message is left out.
 */

import assert from 'node:assert/strict';
import { Agent, request as send } from 'node:https';
import { after, before, test } from 'node:test';
import { violations } from './axe.mjs';
import { join, launch, open, openRoom, options, post, register, request, signIn, until } from './support.mjs';

/** A public key: the page only compares it with that of the subscription. */
const KEY = 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4';
const agent = new Agent({ rejectUnauthorized: false });

let browser;
let ana;
let ben;
before(async () => {
  browser = await launch();
  [ana, ben] = await Promise.all([register('ana'), register('ben')]);
});
after(() => {
  agent.destroy();
  return browser?.close();
});

/** Sends a request to the stand-in, whose certificate is its own. */
function sink(method, path) {
  return new Promise((resolve, reject) => {
    const sent = send(options.push_url + path, { method, agent }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve(JSON.parse(text));
    });
    sent.on('error', reject).end();
  });
}

let made = 0;
async function subscription() {
  if (options.push_url) return sink('POST', '/subscriptions');
  made += 1;
  return { endpoint: `https://push.example/${made}`, keys: { p256dh: KEY, auth: 'BTBZMqHH6r4Tts7J_aSIgg' } };
}

/** Replaces the push service of the browser, and offers push messages. */
function stub([key, failure]) {
  const real = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const response = await real(input, init);
    if (!String(input.url ?? input).endsWith('config.json')) return response;
    return Response.json({ ...(await response.json()), web_push_key: key });
  };
  const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
  const stored = () => JSON.parse(localStorage.getItem('stub') ?? 'null');
  const current = () => {
    const found = stored();
    return (
      found && {
        endpoint: found.endpoint,
        options: { applicationServerKey: bytes(key).buffer },
        toJSON: () => ({ ...found, expirationTime: null }),
        unsubscribe: async () => {
          localStorage.removeItem('stub');
          return true;
        },
      }
    );
  };
  const manager = {
    getSubscription: async () => current(),
    subscribe: async () => {
      if (failure) throw new DOMException('push service error', failure);
      localStorage.setItem('stub', JSON.stringify(await globalThis.makeSubscription()));
      return current();
    },
  };
  Object.defineProperty(ServiceWorkerRegistration.prototype, 'pushManager', { get: () => manager });
}

/** Answers the question for notifications, as the user would. */
async function permit(page, setting) {
  const [own, all] = [await page.context().newCDPSession(page), await browser.newBrowserCDPSession()];
  const { targetInfo } = await own.send('Target.getTargetInfo');
  const { browserContextId } = targetInfo;
  const { origin } = new URL(options.page_url);
  const permission = { name: 'notifications' };
  await all.send('Browser.setPermission', { origin, browserContextId, permission, setting });
}

/** A page of a signed-in user at the settings. */
async function settings(user, { key = KEY, failure, isGranted = true } = {}) {
  const page = await open(browser, { path: 'icon.svg' });
  const context = page.context();
  await permit(page, isGranted ? 'granted' : 'denied');
  await context.exposeFunction('makeSubscription', subscription);
  await context.addInitScript(stub, [key, failure]);
  await page.goto(options.page_url);
  await signIn(page, user);
  await page.goto(`${options.page_url}#/settings`);
  await page.getByRole('heading', { name: 'Push messages', level: 2 }).waitFor();
  return page;
}

const devices = async (user) => (await request('query', 'GET', '/me', { token: user.token })).devices;
const endpoint = (page) => page.evaluate(() => JSON.parse(localStorage.getItem('boxroom.push') ?? '{}').endpoint);

test('the switch registers this browser, follows its language, and removes it', async () => {
  const page = await settings(ana);
  const box = page.getByLabel('Push in this browser');
  await box.check();
  const [device] = await until('the device', async () => {
    const found = await devices(ana);
    return found.length === 1 && found;
  });
  assert.deepEqual([device.provider, device.locale], ['web_push', 'en']);
  assert.deepEqual(await violations(page), []);
  await page.reload();
  await until('the switch after a reload', () => box.isChecked());
  await page.getByLabel('Language').selectOption('ko');
  await until('the language of the device', async () => (await devices(ana))[0]?.locale === 'ko');
  await page.getByLabel('언어').selectOption('en');
  // The browser has made another subscription.
  const former = await endpoint(page);
  await page.evaluate(async () => localStorage.setItem('stub', JSON.stringify(await globalThis.makeSubscription())));
  await page.evaluate(async () => (await navigator.serviceWorker.ready).active.scriptURL);
  const [worker] = page.context().serviceWorkers();
  await worker.evaluate(() => self.dispatchEvent(new ExtendableEvent('pushsubscriptionchange')));
  await until('the renewed address', async () => {
    const next = await endpoint(page);
    return next && next !== former;
  });
  assert.deepEqual((await devices(ana)).length, 1);
  await box.uncheck();
  await until('no device', async () => (await devices(ana)).length === 0);
  assert.equal(await page.evaluate(() => localStorage.getItem('stub')), null);
  // A sign-out removes it too.
  await box.check();
  await until('the device', async () => (await devices(ana)).length === 1);
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await page.getByLabel('Sign-in name').waitFor();
  await until('no device', async () => (await devices(ana)).length === 0);
  assert.equal(await page.evaluate(() => localStorage.getItem('stub')), null);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('a push message is shown, and opens its message', { skip: !options.push_url && 'no stand-in' }, async () => {
  const room = await openRoom(ana);
  await join(room, ben);
  const page = await settings(ben);
  await page.getByLabel('Push in this browser').check();
  await until('the device', async () => (await devices(ben)).length === 1);
  const target = await endpoint(page);
  const { id } = await post(room, ana, `@${ben.id}, come here`);
  const { body } = await until('the message at the push service', async () => {
    const { received } = await sink('GET', '/received');
    return received.find((message) => message.service === 'web-push' && target.endsWith(message.target));
  });
  assert.equal(body.data.room_id, room);
  const [worker] = page.context().serviceWorkers();
  const notifications = () =>
    worker.evaluate(async () => {
      const shown = await self.registration.getNotifications();
      return shown.map(({ title, body }) => [title, body]);
    });
  // The push service would deliver it like this.
  const deliver = async () => {
    const text = JSON.stringify(body);
    await worker.evaluate((data) => self.dispatchEvent(new PushEvent('push', { data })), text);
    await until('the notification', async () => (await notifications()).length > 0);
  };
  await deliver();
  assert.deepEqual(await notifications(), [[body.title, body.body]]);
  await worker.evaluate(async () => {
    const [notification] = await self.registration.getNotifications();
    self.dispatchEvent(new NotificationEvent('notificationclick', { notification }));
  });
  await page.locator('.message.is-lit', { hasText: 'come here' }).waitFor();
  assert.equal(new URL(page.url()).hash, `#/room/${room}?message=${id}`);
  // Another one is closed when the user reads the room.
  await page.goto(`${options.page_url}#/alarms`);
  await deliver();
  await page.goto(`${options.page_url}#/room/${room}`);
  await until('no notification', async () => (await notifications()).length === 0);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('reasons against push messages are named', async () => {
  const cem = await register('cem');
  const denied = await settings(cem, { isGranted: false });
  await denied.getByText('are blocked in the settings of the browser').waitFor();
  assert.equal(await denied.getByLabel('Push in this browser').isDisabled(), true);
  await denied.context().close();
  const absent = await settings(cem, { key: null });
  await absent.getByText('This service does not send push messages to browsers.').waitFor();
  await absent.context().close();
  const failing = await settings(cem, { failure: 'AbortError' });
  // The box is not checked after the failure.
  await failing.getByLabel('Push in this browser').click();
  await failing.getByText('The push service of the browser did not answer.').waitFor();
  await until('the switch is off', async () => !(await failing.getByLabel('Push in this browser').isChecked()));
  assert.deepEqual([denied.problems, absent.problems, failing.problems], [[], [], []]);
  assert.deepEqual(await devices(cem), []);
  await failing.context().close();
});
