/** A room of 50,000 messages scrolls smoothly, and keeps its place. The pages of messages are made by the test. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { join, launch, open, openRoom, options, register, signIn, until } from './support.mjs';

const COUNT = 50_000;
/** Larger than a page of the service, so that all messages are loaded soon. */
const PAGE = 5000;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const WORDS = 'two noodles please with extra chili and one more soup for the lady beside the door'.split(' ');

function message(id, room, users) {
  const length = 3 + ((id * 7919) % 60);
  const body = Array.from({ length }, (_, index) => WORDS[(id + index) % WORDS.length]).join(' ');
  return {
    message_id: String(id),
    room_id: room,
    author: users[id % users.length],
    body: `${id}: ${body}`,
    deleted: false,
    erased: false,
    mentions: [],
    mentions_all: false,
    reply_to: null,
    reactions: id % 9 === 0 ? { '👍': [users[0]] } : {},
    posted_at: new Date(Date.UTC(2026, 10, 1) + id * 45_000).toISOString(),
  };
}

test('50,000 messages', async (context) => {
  const [ana, ben] = await Promise.all([register('ana'), register('ben')]);
  const room = await openRoom(ana);
  await join(room, ben);
  const page = await open(browser);
  context.after(() => page.context().close());
  const users = [ana.id, ben.id];
  await page.route(`**/rooms/${room}/messages?*`, (route) => {
    const query = new URL(route.request().url()).searchParams;
    const around = Number(query.get('around') ?? 0);
    const before = Number(query.get('before') ?? (around ? around + 25 : COUNT + 1));
    const size = query.get('limit') === '100' ? PAGE : Number(query.get('limit'));
    const from = query.has('after') ? Number(query.get('after')) + 1 : Math.max(before - size, 1);
    const to = query.has('after') ? Math.min(from + size, COUNT + 1) : before;
    const items = Array.from({ length: Math.max(to - from, 0) }, (_, index) => message(to - 1 - index, room, users));
    const next = query.has('after') ? (to <= COUNT ? 'more' : null) : from > 1 ? 'more' : null;
    return route.fulfill({
      json: { items, next },
      headers: { 'access-control-allow-origin': new URL(options.page_url).origin },
    });
  });
  await signIn(page, ben);
  await page.goto(`${options.page_url}#/room/${room}`);
  await page.locator(`[data-message="${COUNT}"]`).waitFor();

  // The place of the messages is kept while earlier ones are added.
  const scroller = page.locator('.scroller');
  for (let round = 0; round < 9; round += 1) {
    const height = await scroller.evaluate((box) => box.scrollHeight);
    const jump = await scroller.evaluate(async (box) => {
      box.scrollTop = 1200;
      const frame = () => new Promise(requestAnimationFrame);
      const edge = box.getBoundingClientRect().top;
      const find = () =>
        [...box.querySelectorAll('.message')].find((found) => {
          const { top } = found.getBoundingClientRect();
          return top > edge + 100 && top < edge + 500;
        });
      for (let count = 0; count < 50 && !find(); count += 1) await frame();
      const row = find();
      const top = row.getBoundingClientRect().top;
      let largest = 0;
      for (let count = 0; count < 60; count += 1) {
        await frame();
        if (row.isConnected) largest = Math.max(largest, Math.abs(row.getBoundingClientRect().top - top));
      }
      return row.isConnected ? largest : -1;
    });
    assert.ok(jump >= 0 && jump < 2, `the messages moved by ${jump} pixels`);
    if (round < 8)
      await until('an earlier page', async () => (await scroller.evaluate((box) => box.scrollHeight)) > height);
  }
  await until('the beginning', async () => {
    await scroller.evaluate((box) => box.scrollTo(0, 0));
    return (await page.locator('[data-message="1"]').count()) > 0;
  });

  // Frames are short, and few rows are in the document.
  const { frames, rows } = await scroller.evaluate(async (box) => {
    const frames = [];
    let rows = 0;
    let last = performance.now();
    for (let count = 0; count < 300; count += 1) {
      box.scrollBy(0, 180);
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      frames.push(now - last);
      last = now;
      rows = Math.max(rows, box.querySelectorAll('li').length);
    }
    return { frames: frames.sort((a, b) => a - b), rows };
  });
  const at = (share) => frames[Math.floor(frames.length * share)].toFixed(1);
  console.log(
    `frames: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${frames.at(-1).toFixed(1)} ms; ${rows} rows`,
  );
  assert.ok(rows < 120, `${rows} rows are in the document`);
  assert.ok(Number(at(0.95)) < 100, 'frames take too long');

  // The button at the edge leads back to the end.
  await page.getByRole('button', { name: 'Go to the newest message' }).click();
  await page.locator(`[data-message="${COUNT}"]`).waitFor();
  assert.deepEqual(page.problems, []);
});
