/** The page of operators, for its tests. */

import { open, options } from './support.mjs';

/** Opens the page of operators with a token that was printed. */
export async function openOperator(browser, { token = options.tokens.operator, ...settings } = {}) {
  const page = await open(browser, { wide: true, path: '#/operator', ...settings });
  await useToken(page, token);
  await page.locator('.ops').waitFor();
  return page;
}

/** Enters a printed token. */
export async function useToken(page, token) {
  await page.locator('.ops-token').evaluate((details) => {
    details.open = true;
  });
  await page.locator('.ops-token textarea').fill(token);
  await page.locator('.ops-token button').click();
}

/** Goes to a view of operators. */
export async function goTo(page, path) {
  await page.goto(`${options.page_url}#/operator/${path}`);
}

/** Opens a dialog by its button, fills it, and carries it out. Returns the dialog. */
export async function submit(page, button, fields = {}, action = button) {
  await page.locator('.ops-main').getByRole('button', { name: button, exact: true }).click();
  const dialog = page.getByRole('dialog').last();
  for (const [label, value] of Object.entries(fields)) {
    const field = dialog.getByLabel(label, { exact: true });
    if ((await field.evaluate((element) => element.tagName)) === 'SELECT') await field.selectOption(value);
    else await field.fill(value);
  }
  await dialog.getByRole('button', { name: action, exact: true }).click();
  return dialog;
}

/** Carries out what a dialog offers, and waits until it has closed. */
export async function act(page, button, fields, action) {
  const dialog = await submit(page, button, fields, action);
  await dialog.waitFor({ state: 'detached' });
}

/** Sends a request to the gateway. */
export async function ask(service, verb, body = {}) {
  const response = await fetch(`${options.gateway_url}/ops/${service}/${verb}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${options.tokens.operator}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${verb}: ${response.status} ${await response.text()}`);
  return response.json();
}
