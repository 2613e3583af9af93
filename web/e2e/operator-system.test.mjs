/** Read models, webhooks, push messages and the audit trail on the page of operators, through the operator-gateway. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { act, ask, goTo, openOperator, submit } from './operator.mjs';
import { fresh, installBox, launch, options, register, request, until } from './support.mjs';

const skip = options.gateway_url ? false : 'there is no operator-gateway';
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const finish = async (page) => {
  assert.deepEqual(page.problems, []);
  await page.context().close();
};

/** The generations that are not retired. */
const generations = async () =>
  (await ask('projector', 'status')).generations.filter(({ state }) => state !== 'retired');

test('a rebuild is started, followed, paused and resumed, activated and rolled back', { skip }, async () => {
  const before = await generations();
  const first = before.find(({ state }) => state === 'active').generation;
  const events = before[0].streams.reduce((sum, { position }) => sum + position, 0);
  const page = await openOperator(browser, { path: '#/operator/models' });
  await page.getByRole('heading', { name: `Generation ${first}` }).waitFor();
  // Slow enough to be seen.
  const rate = String(Math.max(1, Math.floor(events / 15)));
  const fields = { Goal: 'verified', 'Maximum rate, in events per second': rate };
  await act(page, 'Rebuild', fields);
  const found = await until('the new generation', async () =>
    (await generations()).find(({ state, generation }) => state === 'building' && generation !== first),
  );
  const card = page.getByRole('region', { name: `Generation ${found.generation}`, exact: true });
  const bar = card.getByRole('progressbar');
  await bar.waitFor();
  await card.getByText(/until the log is read/).waitFor();
  const value = () => bar.evaluate(({ position }) => position);
  const start = await value();
  await until('progress', async () => (await value()) > start);
  // A second rebuild is refused, and the dialog shows why.
  await submit(page, 'Rebuild', { Goal: 'ready' });
  await page
    .getByRole('dialog')
    .getByText(/^Refused: /)
    .waitFor();
  await page.keyboard.press('Escape');
  await act(page, 'Pause');
  await card.getByText('Paused').waitFor();
  await act(page, 'Resume');
  await card.getByText('Equal to the active one').waitFor({ timeout: 60_000 });
  await act(page, `Activate generation ${found.generation}`, {}, 'Activate');
  await card.getByText('Active', { exact: true }).waitFor();
  await act(page, 'Roll back');
  await page
    .getByRole('region', { name: `Generation ${first}`, exact: true })
    .getByText('Active', { exact: true })
    .waitFor();
  await act(page, `Retire generation ${found.generation}`, {}, 'Retire');
  await until('the retirement', async () => (await generations()).every((one) => one.generation !== found.generation));
  await finish(page);
});

test('the status is read every two seconds, and not while the page is hidden', { skip }, async () => {
  const page = await openOperator(browser);
  let requests = 0;
  page.on('request', (sent) => {
    // A preflight is not counted.
    if (sent.url().endsWith('/ops/projector/status') && sent.method() === 'POST') requests += 1;
  });
  await page.clock.install();
  await goTo(page, 'models');
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  const show = (state) =>
    page.evaluate((next) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => next });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  const shown = requests;
  await until('another request', async () => {
    await page.clock.runFor(2000);
    return requests > shown;
  });
  await page.waitForLoadState('networkidle');
  await show('hidden');
  const hidden = requests;
  await page.clock.runFor(20_000);
  assert.equal(requests, hidden);
  await show('visible');
  await until('a request after the return', () => requests > hidden);
  await finish(page);
});

test('a webhook is added, paused, resumed, replayed and removed', { skip }, async () => {
  const { box } = await installBox();
  const page = await openOperator(browser, { path: '#/operator/webhooks' });
  const url = `https://hooks.example.org/${fresh('hook')}`;
  const add = { Address: url, 'Types of events': 'order_arrived, room_closed', 'Box id': box };
  await submit(page, 'Add a webhook', add, 'Add');
  const secret = await page.getByRole('textbox', { name: 'Secret of its signatures' }).inputValue();
  assert.match(secret, /^whsec_/);
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: url }).click();
  await page.getByText(`order_arrived, room_closed · box ${box}`).waitFor();
  await act(page, 'Pause');
  await page.getByText('Paused', { exact: true }).waitFor();
  await act(page, 'Resume');
  await page.getByText('Active', { exact: true }).waitFor();
  await submit(page, 'Replay', { 'Position of the first event': 'nowhere' });
  await page.getByRole('dialog').getByRole('alert').getByText(/./).waitFor();
  await page.keyboard.press('Escape');
  const shown = await ask('notifier', 'webhook_list');
  const { webhook_id } = shown.find((webhook) => webhook.url === url);
  const { progress } = await ask('notifier', 'webhook_show', { webhook_id });
  await act(page, 'Replay', { 'Position of the first event': progress.at(-1).position });
  await page.getByText('The replay has begun.').waitFor();
  await act(page, 'Remove');
  await page.getByRole('heading', { name: 'Webhooks', level: 1 }).waitFor();
  await page.getByRole('link', { name: url }).waitFor({ state: 'detached' });
  await finish(page);
});

test('an address that is not allowed is refused with the reason', { skip }, async () => {
  const page = await openOperator(browser, { path: '#/operator/webhooks' });
  await submit(page, 'Add a webhook', { Address: 'ftp://hooks.example.org/' }, 'Add');
  await page
    .getByRole('dialog')
    .getByRole('alert')
    .getByText(/^Refused: /)
    .waitFor();
  await page.context().close();
});

test('the audit trail shows who suspended whom, and why', { skip }, async () => {
  const ana = await register('ana');
  const reason = fresh('Advertising');
  const body = { reason };
  await request('command', 'PUT', `/users/${ana.id}/suspension`, { token: options.tokens.operator, body });
  const page = await openOperator(browser, { path: '#/operator/audit' });
  await page.getByLabel('Actor').fill('ops');
  await page.getByLabel('Role').selectOption('operator');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  const row = page.getByRole('row').filter({ hasText: reason });
  await row.getByText(`user ${ana.id}`).waitFor();
  await row.getByText('user_suspended').waitFor();
  // The page of a user leads to the commands of this user, who has registered and done nothing as a moderator.
  await goTo(page, `users/${ana.id}`);
  await page.getByRole('link', { name: 'Commands of the user' }).click();
  await page.getByRole('row').filter({ hasText: 'user_registered' }).waitFor();
  await page.getByText('1 command', { exact: true }).waitFor();
  await page.getByLabel('Role').selectOption('moderator');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await page.getByText('No command was found.').waitFor();
  await finish(page);
});

test('quarantine and dead push messages are shown as the services list them', { skip }, async () => {
  const page = await openOperator(browser, { path: '#/operator/quarantine' });
  const { boxes } = await ask('projector', 'quarantine_list');
  if (boxes.length === 0) await page.getByText('No box is in quarantine.').waitFor();
  else await page.getByRole('link', { name: boxes[0].box_id }).first().waitFor();
  await goTo(page, 'pushes');
  const { pushes } = await ask('notifier', 'dead_push_list');
  if (pushes.length === 0) await page.getByText('No push message is dead.').waitFor();
  else await page.getByText(pushes[0].reason).first().waitFor();
  await goTo(page, `quarantine/${fresh('box')}`);
  await page
    .getByText(/is not in quarantine/)
    .first()
    .waitFor();
  await finish(page);
});

const box = options.quarantined_box;
test('a box in quarantine is tried again, and released by dropping the event', { skip: skip || !box }, async () => {
  const page = await openOperator(browser, { path: '#/operator/models' });
  await page
    .getByRole('link', { name: /in quarantine/ })
    .first()
    .click();
  await page.getByRole('link', { name: box }).click();
  await page.getByText(/is not supported by this release/).waitFor();
  await act(page, 'Retry');
  await page.getByText('1 box is still in quarantine.').waitFor();
  const entries = { Reason: 'Written by a release that was taken back', [`Type ${box} to confirm`]: box };
  await act(page, 'Drop the event', entries);
  await page.getByText(`The box ${box} is not in quarantine.`).waitFor();
  const { boxes } = await ask('projector', 'quarantine_list');
  assert.ok(!boxes.some(({ box_id }) => box_id === box));
  await finish(page);
});

test('without an answer the last status stays, and the page goes on asking', { skip }, async () => {
  const page = await openOperator(browser, { path: '#/operator/models' });
  const overview = page.getByRole('heading', { name: 'Overview' });
  await overview.waitFor();
  await page.route('**/ops/projector/status', (route) => route.abort());
  await page.getByText('The service did not answer. Check your connection.').waitFor();
  assert.ok(await overview.isVisible());
  await page.unroute('**/ops/projector/status');
  await page.getByText('The service did not answer. Check your connection.').waitFor({ state: 'detached' });
  await finish(page);
});
