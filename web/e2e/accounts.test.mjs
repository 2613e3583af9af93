/**
 * Accounts: invitations, the confirmation of a registration, and lost passwords.
 *
 * `registration` of `BOXROOM_E2E` is another command-service of the installation, which takes registrations by
 * invitation (`BOXROOM_REGISTRATION=invitation`) and confirms them (`BOXROOM_REGISTRATION_CONFIRMATION=command`):
 * `command_url`, `invitation` (a token with some uses) and `links`, the file to which its command appends each link as
 * a line. `BOXROOM_CONFIRMATION_LINK` is the address of the page and `#/confirm?token=`. Without it, the tests of
 * registrations are left out.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { violations } from './axe.mjs';
import { fresh, launch, open, options, PASSWORD, register, request, signIn, until } from './support.mjs';

const { registration } = options;
const skip = registration === undefined && 'there is no second command-service';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Sends the registrations of a page to the second command-service. */
async function useStrict(page) {
  await page.route(
    ({ pathname }) => /\/users(\/confirmations)?$/.test(pathname),
    (route, sent) => {
      const { pathname } = new URL(sent.url());
      const path = pathname.slice(pathname.indexOf('/users'));
      return route.continue({ url: registration.command_url + path });
    },
  );
}

/** The link that was sent to a user. */
function linkOf(user) {
  const lines = readFileSync(registration.links, 'utf8').split('\n');
  return lines.findLast((line) => line.includes(`token=${user}.`));
}

async function fill(page, name) {
  await page.getByLabel('Nickname').fill(name);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Create an account' }).click();
}

test('an invitation and a confirmation are asked for, and the link finishes the account', { skip }, async () => {
  const page = await open(browser, { path: '#/sign-up' });
  await useStrict(page);
  const name = fresh('dora');
  // Few links go to one address.
  const contact = `${name}@mail.example`;
  await fill(page, name);
  await page.getByLabel('E-mail address').fill(contact);
  await page.getByText('One more entry is needed.').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.getByLabel('Invitation').fill('none');
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.getByText('The invitation is not valid, or used up.').waitFor();
  // The whole link is as good as its token.
  await page.getByLabel('Invitation').fill(`${options.page_url}#/sign-up?invitation=${registration.invitation}`);
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.getByRole('heading', { name: 'Check your mail' }).waitFor();
  await page.getByText(`A link was sent to ${contact}.`).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Send the link again' }).click();
  await page.getByText('The link is sent again').waitFor();
  // The password is right, but the link was not opened yet.
  await page.getByRole('link', { name: 'Sign in' }).click();
  assert.equal(await page.getByLabel('Sign-in name').inputValue(), name);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByText('This account is not confirmed yet').waitFor();
  const link = await until('the link', () => linkOf(name));
  await page.goto(`${options.page_url}${new URL(link).hash}`);
  await page.getByRole('heading', { name: 'Confirm your account' }).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Confirm', exact: true }).click();
  await page.getByRole('heading', { name: 'Your account is ready' }).waitFor();
  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByText('You are in no room yet.').waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('a nickname that was taken meanwhile is replaced, and a used link is refused', { skip }, async () => {
  const page = await open(browser, { wide: true, path: `#/sign-up?invitation=${registration.invitation}` });
  await useStrict(page);
  const [name, taken] = [fresh('eli'), fresh('taken')];
  await page.getByLabel('Sign-in name').fill(name);
  await fill(page, taken);
  await page.getByLabel('E-mail address').fill(`${name}@mail.example`);
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.getByRole('heading', { name: 'Check your mail' }).waitFor();
  const link = await until('the link', () => linkOf(name));
  await request('command', 'POST', '/users', { body: { user_id: taken, password: PASSWORD, nickname: taken } });
  await page.goto(`${options.page_url}${new URL(link).hash}`);
  await page.getByRole('button', { name: 'Confirm', exact: true }).click();
  await page.getByText('This nickname is taken').waitFor();
  await page.getByLabel('Nickname').fill(name);
  await page.getByRole('button', { name: 'Confirm', exact: true }).click();
  await page.getByText(`Sign in as ${name}.`).waitFor();
  // A mutilated link.
  await page.goto(`${options.page_url}#/confirm?token=${name}.1.x`);
  await page.getByRole('button', { name: 'Confirm', exact: true }).click();
  await page.getByText('The link is not valid any more.').waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('a lost password is replaced once with the token of an operator', async () => {
  const ana = await register('ana');
  const { reset_token: token } = await request('command', 'POST', `/users/${ana.id}/password-resets`, {
    token: options.tokens.operator,
    body: { reason: 'Lost password' },
  });
  const page = await open(browser, { path: '#/sign-in' });
  await page.getByRole('link', { name: 'Lost password' }).click();
  await page.getByText('Ask the operators of this service for a code.').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByLabel('Code').fill('ana.wrong');
  await page.getByLabel('New password').fill('another horse');
  await page.getByRole('button', { name: 'Set a new password' }).click();
  await page.getByText('The code is not valid any more.').waitFor();
  // The same as a link.
  await page.goto(`${options.page_url}#/new-password?token=${encodeURIComponent(token)}`);
  await page.getByText(`For the account ${ana.id}.`).waitFor();
  await page.getByLabel('New password').fill('another horse');
  await page.getByRole('button', { name: 'Set a new password' }).click();
  await page.getByText('The new password is set.').waitFor();
  assert.equal(await page.getByLabel('Sign-in name').inputValue(), ana.id);
  await page.getByLabel('Password', { exact: true }).fill('another horse');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByText('You are in no room yet.').waitFor();
  await page.goto(`${options.page_url}#/new-password?token=${encodeURIComponent(token)}`);
  await page.getByLabel('New password').fill('a third horse');
  await page.getByRole('button', { name: 'Set a new password' }).click();
  await page.getByText('The code is not valid any more.').waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});
