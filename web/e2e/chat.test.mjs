/** Conversations through the page. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  fresh,
  join,
  launch,
  open,
  openAt,
  openRoom,
  options,
  PASSWORD,
  post,
  readAll,
  register,
  request,
  say,
  signIn,
  texts,
  until,
} from './support.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const noProblems = (...pages) => pages.forEach((page) => assert.deepEqual(page.problems, []));
const close = (...pages) => Promise.all(pages.map((page) => page.context().close()));

test('two users sign up, open a room, and chat', async () => {
  const [ana, ben] = await Promise.all([open(browser), open(browser, { wide: true })]);
  const names = [fresh('ana'), fresh('ben')];
  for (const [index, page] of [ana, ben].entries()) {
    await page.getByRole('link', { name: 'Create an account' }).click();
    await page.getByLabel('Nickname').fill(names[index]);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Create an account' }).click();
    await page.getByText('You are in no room yet.').waitFor();
  }
  const host = await register('host');
  const room = await openRoom(host, { password: 'chili' });
  for (const page of [ana, ben]) {
    await page.goto(`${options.page_url}#/join/${room}`);
    await page.getByLabel('Room password').fill('wrong');
    await page.getByRole('button', { name: 'Join', exact: true }).click();
    await page.getByText('The room password is wrong.').waitFor();
    await page.getByLabel('Room password').fill('chili');
    await page.getByRole('button', { name: 'Join', exact: true }).click();
    await page.getByLabel('Write a message').waitFor();
  }
  await say(ana, 'Two with extra chili');
  await ben.getByText('Two with extra chili').first().waitFor();
  await say(ben, `@${names[0]}, one more?`);
  await ana.locator('.message .mention').waitFor();
  // A reaction and an edit arrive as well.
  await ana.locator('.message[data-message] .message-more').last().click();
  await ana.getByRole('button', { name: 'React: 👍' }).click();
  await ben.locator('.reaction').waitFor();
  await ben.locator('.message.is-own .message-more').last().click();
  await ben.getByRole('button', { name: 'Edit', exact: true }).click();
  await ben.getByLabel('Edit your message').fill('One more, please?');
  await ben.getByRole('button', { name: 'Save' }).click();
  await ana.getByText('One more, please?').first().waitFor();
  // The reply quotes the message.
  await ana.locator('.message[data-message] .message-more').last().click();
  await ana.getByRole('button', { name: 'Reply', exact: true }).click();
  await say(ana, 'Gladly');
  await ben.locator('.quote', { hasText: 'One more, please?' }).waitFor();
  // A deleted message is gone for both.
  await ana.locator('.message.is-own .message-more').first().click();
  await ana.getByRole('button', { name: 'Delete', exact: true }).click();
  await ana.getByRole('button', { name: 'Delete', exact: true }).click();
  await ben.getByText('This message was deleted.').first().waitFor();
  // Typing is shown.
  await until('typing', async () => {
    // Key presses are passed on once in two seconds.
    await ben.getByLabel('Write a message').press('o');
    return (await ana.getByText('is typing …').count()) > 0;
  });
  // The alarm of the mention is counted.
  await ana.goto(`${options.page_url}#/alarms`);
  await ana.getByText(`${names[1]} mentioned you.`).waitFor();
  await ana.getByRole('button', { name: 'Mark all as read' }).click();
  await ana.getByText('0 unread alarms').waitFor();
  noProblems(ana, ben);
  await close(ana, ben);
});

test('a user who was offline sees everything once and in order', async () => {
  const [ana, ben] = await Promise.all([register('ana'), register('ben')]);
  const room = await openRoom(ana);
  await join(room, ben);
  const page = await openAt(browser, ben, room);
  await post(room, ana, 'before');
  await page.getByText('before').first().waitFor();
  await page.context().setOffline(true);
  await page.locator('.connection.is-offline').waitFor();
  const expected = Array.from({ length: 30 }, (_, index) => `line ${index}`);
  for (const line of expected) await post(room, ana, line);
  await say(page, 'written offline');
  await page.locator('.message[data-draft=sending]').waitFor();
  await page.context().setOffline(false);
  await page.locator('.connection.is-live').waitFor();
  await page.locator('.message[data-message]', { hasText: 'written offline' }).waitFor();
  const all = await readAll(page, expected.length + 2);
  assert.deepEqual(
    all.map(({ text }) => text),
    ['before', ...expected, 'written offline'],
  );
  noProblems(page);
  await close(page);
});

test('a kicked user learns it at once, and cannot come back', async () => {
  const [ana, ben] = await Promise.all([register('ana'), register('ben')]);
  const room = await openRoom(ana);
  await join(room, ben);
  const [host, guest] = [await openAt(browser, ana, room, { wide: true }), await openAt(browser, ben, room)];
  await host.getByRole('button', { name: 'About the room' }).click();
  await host.getByRole('button', { name: `Actions for ${ben.id}` }).click();
  await host.getByRole('button', { name: 'Remove from the room' }).click();
  await host.getByRole('button', { name: 'Remove from the room' }).click();
  await guest.getByText('You were removed from this room.').waitFor();
  assert.equal(await guest.getByLabel('Write a message').count(), 0);
  await guest.goto(`${options.page_url}#/join/${room}`);
  await guest.getByRole('button', { name: 'Join', exact: true }).click();
  await guest.locator('.form-error', { hasText: 'You were removed from this room.' }).waitFor();
  noProblems(host, guest);
  await close(host, guest);
});

test('full, closed and unknown rooms are told apart, and an invitation opens a locked one', async () => {
  const [ana, ben, cem] = await Promise.all(['ana', 'ben', 'cem'].map(register));
  const small = await openRoom(ana, { max_members: 2 });
  await join(small, ben);
  const page = await open(browser);
  await signIn(page, cem);
  await page.goto(`${options.page_url}#/join/${small}`);
  await page.getByText('This room is full.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Join', exact: true }).isDisabled(), true);
  // A free place is shown without a reload.
  await request('command', 'DELETE', `/rooms/${small}/members/me`, { token: ben.token });
  await until(
    'a free place',
    async () => !(await page.getByRole('button', { name: 'Join', exact: true }).isDisabled()),
  );
  await request('command', 'DELETE', `/rooms/${small}`, { token: ana.token });
  await page.getByText('This room is closed.').waitFor();
  await page.goto(`${options.page_url}#/join/no-box.7`);
  await page.getByText('There is no such room.').waitFor();

  const locked = await openRoom(ana, { password: 'chili' });
  const { token } = await request('command', 'POST', `/rooms/${locked}/invitations`, {
    token: ana.token,
    body: { uses: 1, minutes: 10 },
  });
  await page.goto(`${options.page_url}#/join/${locked}?invitation=${encodeURIComponent(token)}`);
  await page.getByText('You have an invitation').waitFor();
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await page.getByLabel('Write a message').waitFor();
  // The room closes while the page shows it.
  await request('command', 'DELETE', `/rooms/${locked}`, { token: ana.token });
  await page.getByText('This room is closed. You can still read it.').waitFor();
  noProblems(page);
  await close(page);
});

test('tabs share one sign-in, and sign out together', async () => {
  const [ana, ben] = await Promise.all([register('ana'), register('ben')]);
  const room = await openRoom(ana);
  await join(room, ben);
  const first = await openAt(browser, ben, room);
  const second = await first.context().newPage();
  second.problems = [];
  await second.goto(`${options.page_url}#/room/${room}`);
  await second.getByLabel('Write a message').waitFor();
  await say(first, 'from the first tab');
  await second.getByText('from the first tab').first().waitFor();
  assert.equal(await second.evaluate(() => JSON.stringify(localStorage)).then((text) => /token/.test(text)), false);
  await second.goto(`${options.page_url}#/settings`);
  await second.getByRole('button', { name: 'Sign out', exact: true }).click();
  await second.getByLabel('Sign-in name').waitFor();
  await first.getByLabel('Sign-in name').waitFor();
  await first.reload();
  await first.getByLabel('Sign-in name').waitFor();
  noProblems(first);
  await close(first);
});

test('a message that is being sent survives a reload, and is stored once', async () => {
  const [ana, ben] = await Promise.all([register('ana'), register('ben')]);
  const room = await openRoom(ana);
  await join(room, ben);
  const page = await openAt(browser, ben, room);
  // The request arrives, and its answer is lost.
  let lost = 0;
  await page.route('**/messages', async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    lost += 1;
    await route.fetch().catch(() => {});
    return route.abort().catch(() => {});
  });
  await page.getByLabel('Write a message').fill('only once');
  await page.getByRole('button', { name: 'Send' }).click();
  await until('a lost answer', () => lost > 0);
  await page.unroute('**/messages');
  await page.reload();
  await page.getByLabel('Write a message').waitFor();
  await page.locator('.message[data-message]', { hasText: 'only once' }).waitFor();
  await until('no draft', async () => (await page.locator('.message[data-draft]').count()) === 0);
  const { items } = await request('query', 'GET', `/rooms/${room}/messages`, { token: ana.token });
  assert.deepEqual(
    items.map(({ body }) => body),
    ['only once'],
  );
  assert.equal((await texts(page)).filter((text) => text === 'only once').length, 1);
  // A text that was begun is still there.
  await page.getByLabel('Write a message').fill('begun');
  await page.reload();
  await until('the begun text', async () => (await page.getByLabel('Write a message').inputValue()) === 'begun');
  noProblems(page);
  await close(page);
});

test('a message that was written offline is sent by the next page, whichever view it shows', async () => {
  const ana = await register('ana');
  const room = await openRoom(ana);
  const page = await openAt(browser, ana, room);
  const context = page.context();
  await context.setOffline(true);
  await page.locator('.connection.is-offline').waitFor();
  await say(page, 'written offline');
  await page.locator('.message[data-draft=sending]').waitFor();
  await page.close();
  await context.setOffline(false);
  const next = await context.newPage();
  await next.goto(`${options.page_url}#/settings`);
  await until('the message', async () => {
    const { items } = await request('query', 'GET', `/rooms/${room}/messages`, { token: ana.token });
    return items.length === 1 && items[0].body === 'written offline';
  });
  noProblems(page);
  await context.close();
});

test('texts are never HTML, and doubtful links ask first', async () => {
  const [ana, ben] = await Promise.all([register('ana'), register('ben')]);
  const room = await openRoom(ana);
  await join(room, ben);
  const page = await openAt(browser, ben, room);
  await post(
    room,
    ana,
    '<img src=x onerror="document.title=1"> https://example.org/menu and https://xn--pypal-4ve.com/',
  );
  const link = page.getByRole('link', { name: 'https://example.org/menu' });
  await link.waitFor();
  assert.equal(await link.getAttribute('rel'), 'noopener noreferrer');
  assert.equal(await page.locator('.text img').count(), 0);
  await page.getByRole('button', { name: 'https://xn--pypal-4ve.com/' }).click();
  await page.getByRole('heading', { name: 'Open this link?' }).waitFor();
  await page.getByRole('dialog').getByText('xn--pypal-4ve.com').waitFor();
  await page.keyboard.press('Escape');
  const doubtful = [
    ['https://ex\u0430mple.org/', 'xn--exmple-4nf.org'],
    ['https://example.org@evil.example/', 'evil.example'],
    ['https://\uff45xample.org/', 'example.org'],
    ['https://2130706433/', '127.0.0.1'],
    ['https://example.org/\u200bmenu', 'example.org'],
  ];
  for (const [address, host] of doubtful) {
    await post(room, ana, address);
    await page.getByRole('button', { name: address, exact: true }).click();
    await page.locator('dialog .host', { hasText: host }).waitFor();
    await page.keyboard.press('Escape');
  }
  await post(room, ana, 'HTTPS://Example.org:8443/a_(b)?c=d. or (http://127.0.0.1:80/)');
  await page.getByRole('link', { name: 'HTTPS://Example.org:8443/a_(b)?c=d', exact: true }).waitFor();
  await page.getByRole('link', { name: 'http://127.0.0.1:80/', exact: true }).waitFor();
  // A blocked author is collapsed, and shown on demand.
  await request('command', 'PUT', `/users/me/blocks/${ana.id}`, { token: ben.token });
  await page.getByText('A message of a blocked user.').first().waitFor();
  await page.getByRole('button', { name: 'Show it' }).first().click();
  await link.waitFor();
  noProblems(page);
  await close(page);
});

test('a few emoji are large, and typing needs no click on a desktop', async () => {
  const ana = await register('ana');
  const room = await openRoom(ana);
  const page = await open(browser, { wide: true });
  await page.locator('input[name=username]:focus').waitFor();
  await page.keyboard.type(ana.id);
  assert.equal(await page.getByLabel('Sign-in name').inputValue(), ana.id);
  await signIn(page, ana);
  await page.locator('.room-entry').first().click();
  await page.locator('textarea:focus').waitFor();
  const family = '👨‍👩‍👧‍👦';
  const large = ['🍕', '👍🏽 🇰🇷', `🏴󠁧󠁢󠁥󠁮󠁧󠁿${family}❤️‍🔥`, '1️⃣'];
  const small = ['🍕🍕🍕🍕', '12', 'ok 🍕', '©'];
  for (const text of [...large, ...small]) {
    await page.keyboard.insertText(text);
    await page.keyboard.press('Enter');
    await page.locator('.message[data-message]').last().getByText(text, { exact: true }).waitFor();
  }
  assert.deepEqual(await page.locator('.text.is-emoji').allTextContents(), large);
  noProblems(page);
  await close(page);
});

test('the page starts without a network', async () => {
  const ana = await register('ana');
  const page = await open(browser);
  await signIn(page, ana);
  await until('the worker', () =>
    page.evaluate(async () => {
      const registration = await navigator.serviceWorker.getRegistration();
      return registration?.active?.state === 'activated' && navigator.serviceWorker.controller !== null;
    }),
  );
  await page.context().setOffline(true);
  await page.reload();
  await page.getByText('Boxroom cannot be reached.').waitFor();
  await page.context().setOffline(false);
  await page.getByText('You are in no room yet.').waitFor();
  noProblems(page);
  await close(page);
});
