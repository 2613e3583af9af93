/** Takes pictures of every view in both languages and themes, on phone and desktop: `node e2e/screens.mjs <folder>`. */

import { mkdirSync } from 'node:fs';
import { launch, open, options, PASSWORD } from './support.mjs';

const folder = process.argv[2] ?? 'shots';
const [language, theme, size] = (process.argv[3] ?? '').split('-');
mkdirSync(folder, { recursive: true });
const browser = await launch();
const user = { id: 'mira', password: 'mira of the town' };

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
      await go('#/sign-in');
      await page.locator('input[name=username]').fill(user.id);
      await page.locator('input[name=password]').fill(user.password ?? PASSWORD);
      await page.locator('form .button.primary').click();
      await page.locator('.navigation').waitFor();
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
