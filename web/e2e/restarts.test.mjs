/**
 * A rebuild of the read model and restarts of services, while two users chat: they see nothing but a short
 * "Reconnecting", and every message once and in order.
 *
 * `actions` of `BOXROOM_E2E` is the address (`127.0.0.1:4711`) of a TCP server that acts on the installation. The test
 * sends one line for each action, and waits for the line `ok`; any other line is an error. Without it, the test is left
 * out.
 *
 *   restart command-service    stops the command-services one after another, and starts each again until it is ready
 *   restart query-service      the same of the query-services
 *   rebuild                    rebuilds the read model, and returns when the new generation is active
 */

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { join, launch, openAt, openRoom, options, readAll, register, say, until } from './support.mjs';

/** The time between two messages of a user: below the quota of 60 in a minute. */
const PACE_MS = 1200;

const skip = !options.actions && 'there is nothing that acts';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Carries out an action. */
async function act(action) {
  const [, host, port] = /^(.*):(\d+)$/.exec(options.actions);
  const socket = connect({ host, port: Number(port) });
  try {
    socket.write(`${action}\n`);
    for await (const line of createInterface({ input: socket })) {
      assert.equal(line, 'ok', action);
      return;
    }
    assert.fail(`${action}: no answer`);
  } finally {
    socket.destroy();
  }
}

/** Remembers every state of the connection, every note and every failed message that the page shows. */
function watchStates() {
  const seen = new Set();
  globalThis.seenStates = seen;
  const look = () => {
    for (const { className } of document.querySelectorAll('.connection')) seen.add(className.split(' is-')[1]);
    for (const { textContent } of document.querySelectorAll('.toast, .form-error, .door, .splash')) seen.add(textContent);
    for (const { textContent } of document.querySelectorAll('[data-draft=failed]')) seen.add(textContent);
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
  look();
}

for (const action of ['restart query-service', 'restart command-service', 'rebuild']) {
  test(`two users chat during: ${action}`, { skip }, async () => {
    const [ana, ben] = await Promise.all([register('ana'), register('ben')]);
    const room = await openRoom(ana);
    await join(room, ben);
    const pages = await Promise.all([
      openAt(browser, ana, room, { wide: true }),
      openAt(browser, ben, room, { wide: true }),
    ]);
    await Promise.all(pages.map((page) => page.locator('.connection.is-live').waitFor()));
    await Promise.all(pages.map((page) => page.evaluate(watchStates)));
    const sent = [[], []];
    const both = () =>
      Promise.all(
        pages.map(async (page, index) => {
          const text = `${index === 0 ? 'ana' : 'ben'} ${sent[index].length}`;
          sent[index].push(text);
          await say(page, text);
        }),
      );
    let isOver = false;
    const acting = act(action).finally(() => {
      isOver = true;
    });
    const settled = acting.catch(() => {});
    while (!isOver) {
      await both();
      await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, PACE_MS))]);
    }
    await acting;
    await both();
    const total = sent.flat().length;
    for (const page of pages) {
      await until('no message is on its way', async () => (await page.locator('[data-draft]').count()) === 0);
      await page.locator('.connection.is-live').waitFor();
    }
    const [seenByAna, seenByBen] = await Promise.all(pages.map((page) => readAll(page, total)));
    assert.deepEqual(seenByAna, seenByBen);
    assert.equal(seenByAna.length, total);
    const texts = seenByAna.map(({ text }) => text);
    sent.forEach((own, index) =>
      assert.deepEqual(
        texts.filter((text) => text.startsWith(index === 0 ? 'ana' : 'ben')),
        own,
      ),
    );
    for (const page of pages) {
      const states = await page.evaluate(() => [...globalThis.seenStates]);
      const strange = states.filter((state) => !['live', 'behind', 'reconnecting'].includes(state));
      assert.deepEqual([strange, page.problems], [[], []]);
      await page.context().close();
    }
  });
}
