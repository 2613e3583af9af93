/**
 * Browsers and users for the tests of the page.
 *
 * `BOXROOM_E2E` is JSON with `page_url` (of the page, with `/app/`), `command_url`, `query_url`, `chromium` (the
 * program) and `tokens.operator`. Optional: `gateway_url` (of the operator-gateway, which the page must name as well),
 * `tokens.moderator`, `accounts.operator` with `user_id` and `password`, and `quarantined_box`, a box with a message and
 * an event that no release can read after it. Tests that need them are skipped otherwise. `is_short` leaves out some of
 * the screens of tests of all views.
 * Without `BOXROOM_E2E`, the tests use `vite preview` and the addresses of `cargo xtask dev`.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const stored = () => JSON.parse(readFileSync(new URL('../../.local/dev.json', import.meta.url), 'utf8'));

/** The addresses and the browser. */
export const options = {
  page_url: 'http://localhost:4173/app/',
  chromium: process.env.BOXROOM_CHROMIUM ?? '/usr/bin/chromium',
  ...(process.env.BOXROOM_E2E ? JSON.parse(process.env.BOXROOM_E2E) : stored()),
};

/** The screens (true for a desktop) and themes of tests of all views. The short form has each of them once. */
export const SCREENS = [
  [false, 'light'],
  [true, 'dark'],
  ...(options.is_short
    ? []
    : [
        [false, 'dark'],
        [true, 'light'],
      ]),
];

export const PASSWORD = 'correct horse';
const TIMEOUT_MS = 20_000;

/** Starts a browser. */
export function launch() {
  return chromium.launch({ executablePath: options.chromium, args: ['--no-sandbox'] });
}

/** A new browser profile on a phone or a desktop, and its page. Errors of the page fail the test. */
export async function open(
  browser,
  { wide = false, language = 'en', theme = 'light', path = '', isTouch = !wide } = {},
) {
  const context = await browser.newContext({
    viewport: wide ? { width: 1280, height: 800 } : { width: 390, height: 844 },
    deviceScaleFactor: wide ? 1 : 2,
    hasTouch: isTouch,
    locale: language === 'ko' ? 'ko-KR' : 'en-GB',
    timezoneId: 'Asia/Seoul',
    colorScheme: theme,
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  watch(page);
  await page.goto(options.page_url + path);
  return page;
}

/** Collects errors of a page: exceptions, and violations of the policy. */
export function watch(page) {
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('console', (message) => {
    if (/Content Security Policy|TrustedScript|Trusted Type/i.test(message.text())) page.problems.push(message.text());
  });
}

let count = 0;

/** A name that no other user has. */
export function fresh(prefix) {
  count += 1;
  return `${prefix}-${Date.now().toString(36)}${process.pid.toString(36)}${count}`;
}

/** The position of the last command: the next read includes it. */
let position;

/** Sends a request of a user or an operator to a service. */
export async function request(service, method, path, { token, body, key } = {}) {
  const url = (service === 'query' ? options.query_url : options.command_url) + path;
  for (let round = 0; ; round += 1) {
    const response = await fetch(url, {
      method,
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...(key ? { 'idempotency-key': key } : {}),
        ...(service === 'query' && position ? { 'min-position': position } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const seconds = Number(response.headers.get('retry-after') ?? 1);
    if ((response.status === 429 || response.status === 503) && round < 20 && seconds <= 5) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
      continue;
    }
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    position = response.headers.get('event-position') ?? position;
    return text === '' ? undefined : JSON.parse(text);
  }
}

/** Registers a user. Returns id, nickname and token. */
export async function register(prefix) {
  const id = fresh(prefix);
  await request('command', 'POST', '/users', { body: { user_id: id, password: PASSWORD, nickname: id } });
  const { access_token: token } = await request('command', 'POST', '/sessions', {
    body: { user_id: id, password: PASSWORD },
  });
  return { id, nickname: id, token };
}

/** Installs a box and a store. Returns the id of the box. */
export async function installBox() {
  const box = fresh('box');
  const store = fresh('store');
  const token = options.tokens.operator;
  const zip = fresh('zip').slice(0, 16);
  await request('command', 'POST', '/boxes', {
    token,
    body: {
      box_id: box,
      kind: 'shared',
      zip_code: zip,
      address: `Test Street ${count}`,
      detailed_address: 'beside the door',
      latitude: 50 + Math.random(),
      longitude: 8 + Math.random(),
    },
  });
  await request('command', 'POST', '/stores', { token, body: { store_id: store, name: 'Noodle Bar', zip_code: zip } });
  return { box, store, zip };
}

/** Opens a room on a new box. */
export async function openRoom(host, change = {}) {
  const { box, store } = await installBox();
  const body = { store_id: store, title: 'Lunch', max_members: 8, ...change };
  const { id } = await request('command', 'POST', `/boxes/${box}/rooms`, { token: host.token, body });
  // The page reads without the position of this command.
  await request('query', 'GET', `/rooms/${id}`, { token: host.token });
  return id;
}

export const join = (room, user, body = {}) =>
  request('command', 'POST', `/rooms/${room}/members`, { token: user.token, body });

export const post = (room, user, body, more = {}) =>
  request('command', 'POST', `/rooms/${room}/messages`, { token: user.token, body: { body, ...more } });

/** Signs in through the page. */
export async function signIn(page, user) {
  await page.getByLabel('Sign-in name').fill(user.id);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('navigation', { name: 'Main' }).or(page.locator('.room')).first().waitFor();
}

/** Opens a page of a signed-in user at a room. */
export async function openAt(browser, user, room, settings = {}) {
  const page = await open(browser, settings);
  await signIn(page, user);
  await page.goto(`${options.page_url}#/room/${room}`);
  await page.getByLabel('Write a message').waitFor();
  return page;
}

/** Sends a message through the page. */
export async function say(page, text) {
  await page.getByLabel('Write a message').fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

/** The texts of the messages that the page shows, without drafts. */
export const texts = (page) => page.locator('.message[data-message] .text').allTextContents();

/**
 * Reads all messages of a conversation from the top, in order, as `{id, text}`. Waits until there are `count`. Fails if
 * a message is shown twice.
 */
export async function readAll(page, count) {
  const found = new Map();
  // Only visible rows are in the document: the list is read while it is scrolled.
  await page.locator('.scroller').evaluate((box) => box.scrollTo(0, 0));
  await until(`${count} messages`, async () => {
    // At once: a row that leaves the document while rows are read one by one would be waited for.
    const rows = await page
      .locator('.message[data-message]')
      .evaluateAll((shown) => shown.map((row) => [row.dataset.message, row.querySelector('.text').textContent]));
    assert.equal(new Set(rows.map(([id]) => id)).size, rows.length, 'no row is there twice');
    for (const [id, text] of rows) found.set(id, text);
    // From the top again at the end: rows may come and go while they are read.
    await page.locator('.scroller').evaluate((box) => {
      const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 2;
      box.scrollTo(0, isAtEnd ? 0 : box.scrollTop + 300);
    });
    return found.size >= count;
  });
  return [...found].map(([id, text]) => ({ id, text })).sort((a, b) => Number(a.id) - Number(b.id));
}

/** Waits until a condition holds. */
export async function until(what, condition) {
  const deadline = Date.now() + TIMEOUT_MS;
  let last;
  do {
    last = await condition();
    if (last) return last;
    await new Promise((resolve) => setTimeout(resolve, 100));
  } while (Date.now() < deadline);
  assert.fail(`not reached: ${what}`);
}
