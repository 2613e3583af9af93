/** Moderation and the catalogue on the page of operators. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { act, goTo, openOperator, submit, useToken } from './operator.mjs';
import {
  fresh,
  installBox,
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
  watch,
} from './support.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const noProblems = (...pages) => pages.forEach((page) => assert.deepEqual(page.problems, []));
const close = (...pages) => Promise.all(pages.map((page) => page.context().close()));

test('an account without a role is told so, and a printed token opens the views', async () => {
  const ana = await register('ana');
  const page = await open(browser);
  await signIn(page, ana);
  await goTo(page, 'users');
  await page.getByText(`${ana.id} is neither an operator nor a moderator.`).waitFor();
  await useToken(page, 'no token');
  await page.getByText('This text is not an access token.').waitFor();
  await useToken(page, ana.token);
  await page.getByText('Your role does not allow this.').waitFor();
  await useToken(page, `${options.tokens.operator.slice(0, -6)}AAAAAA`);
  await page.getByText('The token is not valid.').waitFor();
  await useToken(page, options.tokens.operator);
  await page.getByRole('heading', { name: 'Users', level: 1 }).waitFor();
  // The token is in memory only, and the session of the user has stayed.
  await page.reload();
  await page.getByText(`${ana.id} is neither an operator nor a moderator.`).waitFor();
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.ok(!stored.includes(options.tokens.operator));
  await page.goto(`${options.page_url}#/rooms`);
  await page.getByText('You are in no room yet.').waitFor();
  noProblems(page);
  await close(page);
});

test('an operator signs in with an account', { skip: !options.accounts?.operator }, async () => {
  const { user_id: id, password } = options.accounts.operator;
  const page = await open(browser, { wide: true });
  await page.getByLabel('Sign-in name').fill(id);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('link', { name: `${id} · Operator` }).waitFor();
  // The session survives a reload, and the rooms are not for operators.
  await page.reload();
  await page.getByRole('heading', { name: 'Reports', level: 1 }).waitFor();
  await page.goto(`${options.page_url}#/rooms`);
  await page.getByRole('heading', { name: 'Reports', level: 1 }).waitFor();
  await goTo(page, 'account');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Operators and moderators' }).waitFor();
  noProblems(page);
  await close(page);
});

test('a moderator has the views of moderation only', { skip: !options.tokens.moderator }, async () => {
  const { box } = await installBox();
  const page = await openOperator(browser, { token: options.tokens.moderator });
  const links = page.getByRole('navigation', { name: 'Main' }).getByRole('link');
  const names = ['Reports', 'Rooms', 'Users', 'Filters', 'Boxes', 'Stores', 'Account'];
  assert.deepEqual(await links.allTextContents(), names);
  await goTo(page, 'models');
  await page.getByText('This view is for operators.').waitFor();
  await goTo(page, 'filters');
  await page.getByText('Words and links that').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Add a filter' }).count(), 0);
  await goTo(page, `boxes/${box}`);
  await page.getByText('beside the door').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Retire' }).count(), 0);
  noProblems(page);
  await close(page);
});

test('a report is filed on the page of a user, and resolved by the removal of the message', async () => {
  const [ana, ben] = await Promise.all([register('ana'), register('ben')]);
  const room = await openRoom(ana);
  await join(room, ben);
  const [page, staff] = await Promise.all([openAt(browser, ana, room), openOperator(browser)]);
  const text = `Soup for free ${fresh('at')}`;
  await post(room, ben, text);
  await page.locator('.message[data-message]', { hasText: text }).locator('.message-more').click();
  await page.getByRole('button', { name: 'Report the message' }).click();
  await page.getByLabel('What happened?').fill('He sells soup');
  await page.getByRole('dialog').getByRole('button', { name: 'Report', exact: true }).click();
  await page.getByText('The moderators have your report.').waitFor();
  // The queue is read again by itself.
  await goTo(staff, 'reports');
  await staff.getByRole('link', { name: text }).click();
  await staff.getByText('He sells soup').waitFor();
  assert.equal(await staff.getByRole('button', { name: 'Resolve' }).count(), 0, 'it is claimed first');
  await staff.getByRole('button', { name: 'Claim' }).click();
  await staff.getByRole('button', { name: 'Resolve' }).click();
  const dialog = staff.getByRole('dialog');
  await dialog.getByLabel('Result').selectOption('message_removed');
  const action = dialog.getByRole('button', { name: /^Remove message/ });
  await action.click();
  assert.ok(await dialog.isVisible(), 'the reason is missing');
  await dialog.getByLabel('Reason').fill('Advertising');
  await dialog.getByLabel('Note (optional)').fill('For the first time');
  await action.click();
  await staff.getByText('The report is closed.').waitFor();
  await staff.getByText('For the first time').waitFor();
  await staff.getByText('Message removed').waitFor();
  await page.getByText('This message was deleted.').waitFor();
  noProblems(page, staff);
  await close(page, staff);
});

test('one of two moderators claims a report, and an operator returns it to the queue', async (context) => {
  if (!options.tokens.moderator) return context.skip('there is no token of a moderator');
  const [ana, ben] = await Promise.all([register('ana'), register('ben')]);
  const note = fresh('note');
  const body = { user_id: ben.id, category: 'spam', note };
  const { id } = await request('command', 'POST', '/reports', { token: ana.token, body });
  const [one, other] = await Promise.all([
    openOperator(browser, { token: options.tokens.moderator, path: `#/operator/reports/${id}` }),
    openOperator(browser, { path: `#/operator/reports/${id}` }),
  ]);
  await Promise.all([one, other].map((page) => page.getByText(note).waitFor()));
  await one.getByRole('button', { name: 'Claim' }).click();
  await one.getByRole('button', { name: 'Resolve' }).waitFor();
  await other.getByRole('button', { name: 'Claim' }).click();
  await other.getByText('Another moderator has claimed this report.').waitFor();
  await other.getByRole('button', { name: 'Return to the queue' }).click();
  await other.getByRole('button', { name: 'Claim' }).waitFor();
  await one.getByRole('button', { name: 'Claim' }).waitFor();
  noProblems(one, other);
  await close(one, other);
});

test('a suspension signs the page of the user out', async () => {
  const ana = await register('ana');
  const room = await openRoom(ana);
  const [page, staff] = await Promise.all([openAt(browser, ana, room), openOperator(browser)]);
  await goTo(staff, 'users');
  await staff.getByLabel('Beginning of the nickname').fill(ana.id);
  await staff.getByRole('button', { name: 'Search' }).click();
  await staff.getByRole('link', { name: ana.id }).click();
  await staff.getByRole('heading', { name: ana.id, level: 1 }).waitFor();
  await act(staff, 'Suspend', { For: 'day', Reason: 'Advertising' });
  await staff.getByText('Reason of the suspension').waitFor();
  await page.getByText('Your session has ended. Please sign in again.').waitFor();
  await page.getByLabel('Sign-in name').fill(ana.id);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByText('This account is suspended.').waitFor();
  await act(staff, 'Reinstate', { Reason: 'A mistake' });
  await staff.getByText('Active', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page
    .getByLabel('Write a message')
    .or(page.getByRole('navigation', { name: 'Main' }))
    .first()
    .waitFor();
  noProblems(page, staff);
  await close(page, staff);
});

test('a room is closed, and a kick is lifted', async () => {
  const [ana, ben] = await Promise.all([register('ana'), register('ben')]);
  const title = fresh('Soup');
  const room = await openRoom(ana, { title });
  await join(room, ben);
  await request('command', 'DELETE', `/rooms/${room}/members/${ben.id}`, { token: ana.token });
  const [page, staff] = await Promise.all([openAt(browser, ana, room), openOperator(browser)]);
  await goTo(staff, 'rooms');
  await staff.getByRole('searchbox').fill(title);
  await staff.getByRole('button', { name: 'Search' }).click();
  await staff.getByRole('link', { name: title }).click();
  await act(staff, 'Lift a kick', { 'Id of the kicked user': ben.id, Reason: 'A mistake' });
  await join(room, ben);
  await act(staff, 'Close the room', { Reason: 'Advertising' });
  await staff.getByText('a moderator closed it').waitFor();
  assert.equal(await staff.getByRole('button', { name: 'Close the room' }).count(), 0);
  await page.getByText('This room is closed.').first().waitFor();
  noProblems(page, staff);
  await close(page, staff);
});

test('a box and a store are installed, taken out of service and retired', async () => {
  const staff = await openOperator(browser);
  const [box, store, ana] = [fresh('box'), fresh('store'), await register('ana')];
  await goTo(staff, 'boxes');
  await act(
    staff,
    'Install a box',
    {
      'Box id': box,
      Kind: 'private',
      'Postal code': '04109',
      Address: 'Markt 1',
      Place: 'by the gate',
      Latitude: '51.34',
      Longitude: '12.37',
    },
    'Install',
  );
  await staff.getByRole('heading', { name: 'Markt 1', level: 1 }).waitFor();
  await staff.getByLabel('User id').fill(ana.id);
  await staff.getByRole('button', { name: 'Allow' }).click();
  await staff.getByRole('link', { name: ana.id }).waitFor();
  await act(staff, `Withdraw the permission of ${ana.id}`, {}, 'Withdraw');
  await staff.getByText('No user may open a room on it.').waitFor();
  await act(staff, 'Take out of service', { Reason: 'The door is stuck' });
  await staff.getByText('The door is stuck').waitFor();
  await act(staff, 'Put into service');
  await staff.getByText('Free', { exact: true }).waitFor();
  await act(staff, 'Change', { Place: 'on the second floor' }, 'Save');
  await staff.getByText('on the second floor').waitFor();
  // The secret is shown once, and the box signs in with it.
  await submit(staff, 'Make a secret');
  const secret = await staff.getByLabel('Secret', { exact: true }).inputValue();
  const { access_token: token } = await request('command', 'POST', `/boxes/${box}/sessions`, { body: { secret } });
  assert.ok(token);
  await staff.keyboard.press('Escape');
  // The id is typed before the box is retired.
  await staff.getByRole('button', { name: 'Retire', exact: true }).click();
  const dialog = staff.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('The house is gone');
  assert.ok(await dialog.getByRole('button', { name: 'Retire' }).isDisabled());
  await dialog.getByLabel(`Type ${box} to confirm`).fill(box);
  await dialog.getByRole('button', { name: 'Retire' }).click();
  await staff.getByText('Removed', { exact: true }).waitFor();

  await goTo(staff, 'stores');
  const entries = { 'Store id': store, Name: 'Soup House', 'Postal code': '04109', Category: 'soup' };
  await act(staff, 'Register a store', entries, 'Register');
  await staff.getByRole('heading', { name: 'Soup House', level: 1 }).waitFor();
  await act(staff, 'Close for orders');
  await act(staff, 'Open for orders');
  await act(staff, 'Change', { Name: 'Soup Palace' }, 'Save');
  await staff.getByRole('heading', { name: 'Soup Palace', level: 1 }).waitFor();
  await act(staff, 'Retire', { Reason: 'Out of business', [`Type ${store} to confirm`]: store });
  await staff.getByText('Retired', { exact: true }).waitFor();
  noProblems(staff);
  await close(staff);
});

test('a filter refuses texts until it is removed', async () => {
  const ana = await register('ana');
  const room = await openRoom(ana);
  const [page, staff] = await Promise.all([openAt(browser, ana, room), openOperator(browser)]);
  const [id, word] = [fresh('filter'), fresh('soup').replaceAll('-', '')];
  await goTo(staff, 'filters');
  await act(staff, 'Add a filter', { 'Id of the filter': id, Pattern: word }, 'Save');
  await staff.getByText(word).first().waitFor();
  await until('the filter applies', async () => {
    await say(page, `Free ${word}`);
    const failed = page.locator('.message[data-draft=failed]');
    const stored = page.locator('.message[data-message]', { hasText: word }).last();
    await failed.or(stored).first().waitFor();
    return (await failed.count()) > 0;
  });
  await act(staff, `Change the filter ${id}`, { Consequence: 'mask' }, 'Save');
  await staff.getByText('Mask the match').waitFor();
  await act(staff, `Remove the filter ${id}`, {}, 'Remove');
  await staff.getByText(word).first().waitFor({ state: 'detached' });
  noProblems(page, staff);
  await close(page, staff);
});

test('a lost password is reset, and a user is erased', async () => {
  const ana = await register('ana');
  const staff = await openOperator(browser, { path: `#/operator/users/${ana.id}` });
  await submit(staff, 'Reset the password', { Reason: 'Identity checked' }, 'Issue the token');
  const link = await staff.getByRole('textbox', { name: 'Link to a new password' }).inputValue();
  const token = decodeURIComponent(link.split('token=').at(-1));
  await request('command', 'POST', '/password-resets', { body: { reset_token: token, password: 'another horse' } });
  await request('command', 'POST', '/sessions', { body: { user_id: ana.id, password: 'another horse' } });
  await staff.keyboard.press('Escape');
  await act(staff, 'Erase', { Reason: 'Asked by letter', [`Type ${ana.id} to confirm`]: ana.id });
  await staff.getByText('Erased', { exact: true }).waitFor();
  assert.equal(await staff.getByRole('button', { name: 'Suspend' }).count(), 0);
  await goTo(staff, `users/${fresh('missing')}`);
  await staff.getByText('If this is the id of a moderator').waitFor();
  noProblems(staff);
  await close(staff);
});

test('a refused token leads back to the sign-in', async () => {
  const staff = await openOperator(browser);
  await staff.route('**/filters?*', (route) =>
    route.continue({ headers: { ...route.request().headers(), authorization: 'Bearer none' } }),
  );
  await goTo(staff, 'filters');
  await staff.getByText('Your session has ended. Please sign in again.').waitFor();
  await staff.getByRole('heading', { name: 'Operators and moderators' }).waitFor();
  await close(staff);
});

test('without a gateway the page says what to start', async () => {
  // A service worker would read the settings itself.
  const context = await browser.newContext({ serviceWorkers: 'block', locale: 'en-GB' });
  const staff = await context.newPage();
  watch(staff);
  await staff.route('**/config.json', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), operator_url: null } });
  });
  await staff.goto(`${options.page_url}#/operator/models`);
  await useToken(staff, options.tokens.operator);
  await staff.getByText('There is no operator-gateway.').waitFor();
  await goTo(staff, 'boxes');
  await staff.getByRole('heading', { name: 'Boxes', level: 1 }).waitFor();
  noProblems(staff);
  await close(staff);
});
