/** Every view in both themes, on phone and desktop: axe finds nothing. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { violations } from './axe.mjs';
import { join, launch, open, openRoom, options, post, register, request, SCREENS, signIn } from './support.mjs';

let browser;
let ana;
let ben;
let room;
before(async () => {
  browser = await launch();
  [ana, ben] = await Promise.all([register('ana'), register('ben')]);
  room = await openRoom(ana, { password: 'chili' });
  await join(room, ben, { password: 'chili' });
  const { id } = await post(room, ana, `Hello @${ben.id}, see https://example.org/`);
  await post(room, ben, 'A reply', { reply_to: id });
  await request('command', 'PUT', `/rooms/${room}/messages/${id}/reactions/${encodeURIComponent('👍')}`, {
    token: ben.token,
  });
  await request('command', 'PUT', `/rooms/${room}/pins/${id}`, { token: ana.token });
});
after(() => browser?.close());

async function inspect(page, view) {
  assert.deepEqual(await violations(page), [], view);
}

for (const [wide, theme] of SCREENS) {
  test(`${wide ? 'desktop' : 'phone'}, ${theme}`, async (context) => {
    const page = await open(browser, { wide, theme });
    context.after(() => page.context().close());
    const at = async (view, hash, selector) => {
      await context.test(view, async () => {
        if (hash !== undefined) await page.goto(options.page_url + hash);
        await page.locator(selector).first().waitFor();
        await inspect(page, view);
      });
    };
    await at('sign-in', '#/sign-in', '.door');
    await at('sign-up', '#/sign-up', '.door');
    await at('confirm', '#/confirm?token=none', '.door');
    await at('new-password', '#/new-password', '.door');
    await page.goto(`${options.page_url}#/sign-in`);
    await signIn(page, ana);
    const zip = (await request('query', 'GET', `/boxes/${room.split('.')[0]}`, { token: ana.token })).zip_code;
    await page.evaluate((place) => localStorage.setItem('boxroom.place', place), zip);
    await at('rooms', '#/rooms', '.room-entry');
    await at('boxes', '#/boxes', '.box-entry');
    await at('lobby', '#/lobby', '.lobby-entry');
    await at('box', `#/box/${room.split('.')[0]}`, '.lobby-entry');
    await at('join', `#/join/${room}`, '.join-card');
    await at('alarms', '#/alarms', '.alarm-entry');
    await at('settings', '#/settings', '.settings section:nth-of-type(7)');
    await at('room', `#/room/${room}`, '.message');
    await page.getByRole('button', { name: 'About the room' }).click();
    await at('about', undefined, '.member');
    await page
      .getByRole('button', { name: /^Actions for/ })
      .last()
      .click();
    await at('member', undefined, 'dialog .menu');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Invitations' }).click();
    await at('invitations', undefined, 'dialog form');
    await page.keyboard.press('Escape');
    if (!wide) await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Search in this room' }).click();
    await page.getByRole('searchbox').fill('reply');
    await page.keyboard.press('Enter');
    await at('search', undefined, '.found-entry');
    if (!wide) await page.getByRole('button', { name: 'Close' }).click();
    await page.locator('.message-more').last().click();
    await at('message', undefined, '.emoji-row');
    await page.keyboard.press('Escape');
    await page.getByLabel('Write a message').fill(`@${ben.id.slice(0, 3)}`);
    await at('mention', undefined, '.suggestions');
    assert.deepEqual(page.problems, []);
  });
}
