/**
 * Takes pictures of every view of the sample data in both languages and themes, on phone and desktop:
 * `node e2e/screens.mjs <folder>`, or some of them: `node e2e/screens.mjs <folder> ko-dark-wide`.
 * `node e2e/screens.mjs ../docs/images/page.png` takes the picture of the README: a desktop and a phone.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { launch, open, options } from './support.mjs';

const folder = process.argv[2] ?? 'shots';
const [language, theme, size] = (process.argv[3] ?? '').split('-');
const browser = await launch();

/** Signs in as a user of the sample data. */
async function enter(page, user) {
  await page.locator('input[name=username]').fill(user);
  await page.locator('input[name=password]').fill(`${user} of the town`);
  await page.locator('form .button.primary').click();
  await page.locator('.navigation').waitFor();
}

if (folder.endsWith('.png')) {
  writeFileSync(folder, await pictureOfReadme());
  await browser.close();
  process.exit();
}
mkdirSync(folder, { recursive: true });

for (const wide of [false, true]) {
  if (size && (size === 'wide') !== wide) continue;
  for (const shownLanguage of ['en', 'ko']) {
    if (language && language !== shownLanguage) continue;
    for (const shownTheme of ['light', 'dark']) {
      if (theme && theme !== shownTheme) continue;
      const page = await open(browser, { wide, language: shownLanguage, theme: shownTheme });
      const name = (view) => `${folder}/${view}-${shownLanguage}-${shownTheme}-${wide ? 'wide' : 'phone'}.png`;
      const shoot = async (view) => {
        await page.waitForTimeout(700);
        await page.screenshot({ path: name(view) });
      };
      const go = async (hash) => {
        await page.goto(options.page_url + hash);
        await page.waitForTimeout(500);
      };
      await page.locator('.door').waitFor();
      await shoot('sign-in');
      await go('#/sign-up');
      await shoot('sign-up');
      await go('#/confirm?token=mira');
      await shoot('confirm');
      await go('#/new-password');
      await shoot('new-password');
      await go('#/sign-in');
      await enter(page, 'mira');
      await shoot('rooms');
      await go('#/boxes');
      await shoot('boxes');
      await go('#/lobby');
      await shoot('lobby');
      await go('#/box/harbour-2');
      await shoot('box-free');
      await go('#/box/harbour-3');
      await shoot('box-used');
      await go('#/join/harbour-3.1');
      await shoot('join');
      await go('#/alarms');
      await shoot('alarms');
      await go('#/settings');
      await shoot('settings');
      await go('#/room/harbour-1.1');
      await page.locator('.composer').waitFor();
      await shoot('room');
      await page.locator('.room-head .icon-button[aria-pressed]').last().click();
      await shoot('about');
      await page.locator('.member .icon-button').first().click();
      await shoot('member');
      await page.keyboard.press('Escape');
      if (!wide) await page.keyboard.press('Escape');
      await page.locator('.room-head .icon-button[aria-pressed]').first().click();
      await page.locator('.search-form input').fill('tofu');
      await page.keyboard.press('Enter');
      await shoot('search');
      await page.keyboard.press('Escape');
      if (!wide) await page.keyboard.press('Escape');
      await page.locator('.message-more').last().click();
      await shoot('message');
      if (page.problems.length > 0) console.log(page.problems);
      await page.context().close();
    }
  }
}
await browser.close();

/** Shows a conversation on a desktop and on a phone beside each other. */
async function pictureOfReadme() {
  const room = 'harbour-1.1';
  const shown = [
    { user: 'mira', wide: true, theme: 'light', size: { width: 1200, height: 700 } },
    { user: 'jonas', wide: false, theme: 'dark', size: { width: 360, height: 700 } },
  ];
  for (const entry of shown) {
    entry.page = await open(browser, entry);
    await entry.page.setViewportSize(entry.size);
    await enter(entry.page, entry.user);
    await entry.page.goto(`${options.page_url}#/room/${room}`);
    await entry.page.locator('.message[data-message]').last().waitFor();
  }
  const [desktop, phone] = shown.map(({ page }) => page);
  const order = phone.locator('.message[data-message]', { hasText: 'Ordering at half past seven' });
  if ((await order.locator('.reaction').count()) === 0) {
    await order.locator('.message-more').click();
    await phone.getByRole('button', { name: 'React: 👍' }).click();
  }
  await desktop.getByRole('button', { name: 'About the room' }).click();
  await desktop.locator('.reaction').first().waitFor();
  await desktop.mouse.move(0, 0);
  const images = [];
  for (const { page } of shown) {
    await page.waitForTimeout(1500);
    await page.evaluate(() => document.activeElement?.blur());
    images.push((await page.screenshot({ scale: 'css' })).toString('base64'));
  }
  const page = await browser.newPage({ viewport: { width: 1620, height: 740 } });
  const style = 'body{margin:0;display:flex;gap:20px;padding:20px;background:#d9d6cd} img{border-radius:10px}';
  const content = images.map((image) => `<img src="data:image/png;base64,${image}">`).join('');
  await page.setContent(`<style>${style}</style>${content}`);
  await page.waitForTimeout(300);
  return page.screenshot();
}
