/** The host's actions, unread messages, dates, and settings. */

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
  register,
  request,
  say,
  signIn,
  until,
} from './support.mjs';

let browser;
let ana;
let ben;
before(async () => {
  browser = await launch();
  [ana, ben] = await Promise.all([register('ana'), register('ben')]);
});
after(() => browser?.close());

const close = (...pages) => Promise.all(pages.map((page) => page.context().close()));

test('what the host does is seen by all at once', async () => {
  const room = await openRoom(ana);
  await join(room, ben);
  const { zip_code } = await request('query', 'GET', `/boxes/${room.split('.')[0]}`, { token: ana.token });
  const store = { store_id: fresh('store'), name: 'Rice Bowl', zip_code };
  await request('command', 'POST', '/stores', { token: options.tokens.operator, body: store });
  const [host, guest] = [
    await openAt(browser, ana, room, { wide: true }),
    await openAt(browser, ben, room, { wide: true }),
  ];
  await host.getByRole('button', { name: 'About the room' }).click();
  await host.getByRole('button', { name: 'Next: Ordering' }).click();
  await guest.locator('.step-mark', { hasText: 'Ordering' }).waitFor();
  await host.getByRole('button', { name: 'Change the room' }).click();
  await host.getByLabel('Title').fill('Dinner');
  await host.getByRole('button', { name: 'Save' }).click();
  await guest.getByRole('heading', { name: 'Dinner', level: 1 }).waitFor();
  await host.getByRole('button', { name: 'Change the room' }).click();
  await host.getByLabel('Store', { exact: true }).selectOption({ label: 'Rice Bowl' });
  await host.getByRole('button', { name: 'Save' }).click();
  await guest.getByText('Rice Bowl').first().waitFor();
  await host.getByRole('button', { name: 'Extend' }).click();
  await guest.getByText('Extended: closes at').waitFor();
  await host.getByLabel('Slow mode').selectOption('10');
  await guest.getByText('Slow mode: one message in 10 seconds').waitFor();
  await host.getByLabel('Slow mode').selectOption('0');
  await host.getByRole('button', { name: `Actions for ${ben.id}` }).click();
  await host.getByRole('button', { name: 'Mute: 10 minutes' }).click();
  await guest.getByText('You cannot write until').waitFor();
  await host.getByRole('button', { name: `Actions for ${ben.id}` }).click();
  await host.getByRole('button', { name: 'Unmute' }).click();
  await guest.getByLabel('Write a message').waitFor();
  await host.getByRole('button', { name: `Actions for ${ben.id}` }).click();
  await host.getByRole('button', { name: 'Make co-host' }).click();
  await guest.getByText(`${ben.id} is a co-host now.`).waitFor();
  await host.getByRole('button', { name: 'Invitations' }).click();
  await host.getByRole('button', { name: 'Create a link' }).click();
  const link = await host.getByLabel('Invitation link').inputValue();
  assert.ok(link.startsWith(`${options.page_url}#/join/${room}?invitation=`), link);
  await host.getByText('0 of 3 used').waitFor();
  await host.keyboard.press('Escape');
  await say(host, 'Pin me');
  await host.locator('.message[data-message]', { hasText: 'Pin me' }).locator('.message-more').click();
  await host.getByRole('button', { name: 'Pin', exact: true }).click();
  await guest.getByRole('button', { name: '1 pinned message' }).waitFor();
  await host.getByText('Seen by 1').waitFor();
  await host.getByRole('button', { name: `Actions for ${ben.id}` }).click();
  await host.getByRole('button', { name: 'Make host' }).click();
  await host.getByRole('button', { name: 'Make host' }).click();
  await guest.getByText(`${ben.id} is the host now.`).waitFor();
  await guest.getByRole('button', { name: 'About the room' }).click();
  await guest.getByRole('button', { name: 'Close the room' }).click();
  await guest.getByRole('dialog').getByRole('button', { name: 'Close the room' }).click();
  await host.getByText('This room is closed. You can still read it.').waitFor();
  assert.deepEqual([host.problems, guest.problems], [[], []]);
  await close(host, guest);
});

test('unread messages are marked, counted and searched, and a date is found', async () => {
  const ana = await register('ana');
  const room = await openRoom(ana);
  await join(room, ben);
  const { id: first } = await post(room, ana, 'the very first message');
  await request('command', 'PUT', `/rooms/${room}/read-marker`, { token: ben.token, body: { message_id: first } });
  for (let number = 0; number < 45; number += 1) await post(room, ana, `line ${number}`);
  const page = await open(browser);
  await signIn(page, ben);
  await page.locator('.room-entry .badge', { hasText: '45' }).waitFor();
  assert.equal(await page.title(), '(45) My rooms – Boxroom');
  await page.locator('.room-entry').first().click();
  await page.getByText('New messages').waitFor();
  await page.getByRole('button', { name: 'Go to the newest message' }).click();
  await page.locator('.message', { hasText: 'line 44' }).waitFor();
  await until('the read marker', async () => {
    const { items } = await request('query', 'GET', '/me/rooms', { token: ben.token });
    return items.find(({ room_id }) => room_id === room).unread === 0;
  });
  await page.getByRole('button', { name: 'Search in this room' }).click();
  await page.getByRole('searchbox').fill('very');
  await page.keyboard.press('Enter');
  await page.locator('mark', { hasText: 'very' }).waitFor();
  await page.locator('.found-head').click();
  await page.locator('.message.is-lit', { hasText: 'the very first message' }).waitFor();
  await close(page);
  const wide = await openAt(browser, ben, room, { wide: true });
  await wide.getByRole('button', { name: 'Go to a date' }).click();
  const today = new Date(Date.now() + 9 * 3_600_000).toISOString().slice(0, 10);
  await wide.getByLabel('Date', { exact: true }).fill(today);
  await wide.getByRole('button', { name: 'Go', exact: true }).click();
  await wide.locator('.message.is-lit', { hasText: 'the very first message' }).waitFor();
  await wide.getByLabel('Date', { exact: true }).fill('2090-01-01');
  await wide.getByRole('button', { name: 'Go', exact: true }).click();
  await wide.getByText('There is no message from this date on.').waitFor();
  assert.deepEqual([page.problems, wide.problems], [[], []]);
  await close(wide);
});

test('settings hold, and a session that has ended leads to the sign-in', async () => {
  const page = await open(browser);
  await signIn(page, ben);
  await page.goto(`${options.page_url}#/settings`);
  await page.getByLabel('Nickname').fill(`${ben.id} B`);
  await page.getByRole('button', { name: 'Change the nickname' }).click();
  await page.getByText('Saved').waitFor();
  await page.getByLabel('Reactions').uncheck();
  await page.getByLabel('Use quiet hours').check();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await until('the settings', async () => {
    const me = await request('query', 'GET', '/me', { token: ben.token });
    return (
      me.nickname === `${ben.id} B` &&
      me.notification_preferences.reaction === false &&
      me.quiet_hours?.from === '22:00'
    );
  });
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download my data' }).click();
  assert.match((await downloading).suggestedFilename(), /\.ndjson$/);
  await page.getByLabel('Theme').selectOption('dark');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.getByLabel('Language').selectOption('ko');
  await page.getByRole('heading', { name: '설정', level: 1 }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: '설정', level: 1 }).waitFor();
  await page.getByLabel('언어').selectOption('en');
  await request('command', 'DELETE', '/sessions', { token: ben.token });
  await page.getByText('Your session has ended.').waitFor();
  assert.deepEqual(page.problems, []);
  await close(page);
});

test('an account is erased', async () => {
  const cem = await register('cem');
  const page = await open(browser, { wide: true });
  await signIn(page, cem);
  await page.goto(`${options.page_url}#/settings`);
  await page.getByRole('button', { name: 'Delete my account' }).click();
  await page.getByRole('dialog').getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Delete for ever' }).click();
  await page.getByLabel('Sign-in name').fill(cem.id);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByText('The sign-in name or the password is wrong.').waitFor();
  assert.deepEqual(page.problems, []);
  await close(page);
});
