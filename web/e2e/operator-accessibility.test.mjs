/** Every view of operators in both themes, on phone and desktop: axe finds nothing. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { violations } from './axe.mjs';
import { ask, goTo, openOperator, useToken } from './operator.mjs';
import { fresh, join, launch, open, openRoom, options, post, register, request, SCREENS } from './support.mjs';

let browser;
let room;
let report;
let ana;
let webhook;
const hook = `https://hooks.example.org/${fresh('hook')}`;
const token = options.tokens.operator;
before(async () => {
  browser = await launch();
  let ben;
  [ana, ben] = await Promise.all([register('ana'), register('ben')]);
  room = await openRoom(ana);
  await join(room, ben);
  const { id } = await post(room, ben, 'Soup for free');
  const body = { room_id: room, message_id: id, category: 'spam', note: 'He sells soup' };
  report = (await request('command', 'POST', '/reports', { token: ana.token, body })).id;
  await request('command', 'PUT', `/reports/${report}/claim`, { token });
  await request('command', 'PUT', '/filters/axe', {
    token,
    body: { kind: 'word', pattern: 'axe soup', action: 'mask' },
  });
  await request('command', 'PATCH', `/boxes/${room.split('.')[0]}`, { token, body: { kind: 'private' } });
  await request('command', 'PUT', `/boxes/${room.split('.')[0]}/users/${ana.id}`, { token });
  if (options.gateway_url) {
    const added = await ask('notifier', 'webhook_add', { url: hook, types: ['*'], box_id: null });
    webhook = added.webhook.webhook_id;
  }
});
after(async () => {
  await browser?.close();
  await request('command', 'DELETE', '/filters/axe', { token });
  if (webhook) await ask('notifier', 'webhook_remove', { webhook_id: webhook });
});

const inspect = async (page, view) => assert.deepEqual(await violations(page), [], view);

for (const [wide, theme] of SCREENS) {
  test(`${wide ? 'desktop' : 'phone'}, ${theme}`, async (context) => {
    const first = await open(browser, { wide, theme, path: '#/operator' });
    await first.locator('.ops-door').waitFor();
    await context.test('door', () => inspect(first, 'door'));
    await useToken(first, 'no token');
    await first.getByText('This text is not an access token.').waitFor();
    await context.test('token', () => inspect(first, 'token'));
    await first.context().close();
    const page = await openOperator(browser, { wide, theme });
    context.after(() => page.context().close());
    const at = async (view, path, selector) => {
      await context.test(view, async () => {
        if (path !== undefined) await goTo(page, path);
        await page.locator(selector).first().waitFor();
        await inspect(page, view);
        const overflow = await page.locator('.ops-main').evaluate((main) => main.scrollWidth - main.clientWidth);
        assert.ok(overflow <= 0, `${view}: wider than the screen by ${overflow}`);
      });
    };
    const dialog = async (view, button, selector = 'dialog form') => {
      await page.locator('.ops-main').getByRole('button', { name: button, exact: true }).first().click();
      await at(view, undefined, selector);
      await page.keyboard.press('Escape');
      await page.locator('dialog').waitFor({ state: 'detached' });
    };
    if (!wide) {
      await page.getByRole('button', { name: 'Menu' }).click();
      await at('menu', undefined, 'dialog .ops-nav');
      await page.keyboard.press('Escape');
    }
    await at('reports', 'reports', '.ops-tabs');
    await at('report', `reports/${report}`, '.ops-quote');
    await dialog('resolve', 'Resolve');
    await at('rooms', 'rooms', '.ops-entry');
    await at('room', `rooms/${room}`, '.ops-facts');
    await dialog('close', 'Close the room');
    await at('users', 'users', '.ops-entry');
    await at('user', `users/${ana.id}`, '.ops-facts');
    await dialog('suspend', 'Suspend');
    await dialog('erase', 'Erase');
    await at('filters', 'filters', '.ops-entry');
    await dialog('filter', 'Add a filter');
    await at('boxes', 'boxes', '.ops-entry');
    await dialog('new box', 'Install a box');
    await at('box', `boxes/${room.split('.')[0]}`, '.ops-list');
    await at('stores', 'stores', '.ops-entry');
    await at('account', 'account', '.ops-facts');
    if (options.gateway_url) {
      await at('models', 'models', 'table');
      await dialog('rebuild', 'Rebuild');
      await at('quarantine', 'quarantine', '.empty, .ops-entry');
      await at('webhooks', 'webhooks', '.ops-entry');
      await dialog('new webhook', 'Add a webhook');
      await at('webhook', `webhooks/${webhook}`, 'table');
      await at('pushes', 'pushes', '.empty, .ops-entry');
      await goTo(page, 'audit');
      await page.getByRole('button', { name: 'Show', exact: true }).click();
      await at('audit', undefined, 'tbody tr');
    } else await at('without a gateway', 'models', '.ops-code');
    assert.deepEqual(page.problems, []);
  });
}
