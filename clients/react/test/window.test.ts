import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareIds, isLater } from '../src/core/ids.js';
import type { ChatMessage, MessageView } from '../src/core/types.js';
import { MessageWindow } from '../src/core/window.js';

function view(id: number): MessageView {
  return {
    message_id: String(id),
    room_id: 'locker-7.1',
    author: 'ana',
    body: `text ${id}`,
    deleted: false,
    erased: false,
    mentions: [],
    mentions_all: false,
    posted_at: '2026-11-30T12:00:00.000Z',
    reactions: {},
    reply_to: null,
  };
}

const views = (...ids: number[]) => ids.map(view).reverse();
const message = (id: number) => view(id) as unknown as ChatMessage;
const ids = (window: MessageWindow) => window.messages.map(({ message_id }) => Number(message_id));

test('ids are compared as numbers of any size', () => {
  assert.ok(compareIds('9', '10') < 0);
  assert.equal(compareIds('4711', '4711'), 0);
  assert.ok(isLater('18446744073709551615', '18446744073709551614'));
  assert.ok(isLater('1', null));
});

test('pages are joined in order, without repeats', () => {
  const window = new MessageWindow();
  window.replace(views(4, 5, 6), true, false);
  window.prepend(views(2, 3, 4), false);
  window.post(message(7), false);
  window.post(message(7), false);
  window.post(message(5), false);
  assert.deepEqual(ids(window), [2, 3, 4, 5, 6, 7]);
  assert.equal(window.hasEarlier, false);
});

test('new messages wait while the window is away from the end', () => {
  const window = new MessageWindow();
  window.replace(views(1, 2), true, true);
  window.post(message(8), false);
  window.post(message(9), true);
  assert.deepEqual([ids(window), window.newBelow], [[1, 2], 1]);
  window.change('9', (known) => ({ ...known, body: 'changed' }));
  window.append(views(3, 4), true);
  window.append(views(5, 6, 7, 8), false);
  assert.deepEqual(ids(window), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(window.last?.body, 'changed');
  assert.equal(window.newBelow, 0);
});

test('a message is changed in its place', () => {
  const window = new MessageWindow();
  window.replace(views(1, 2, 3), false, false);
  const before = window.messages;
  window.change('2', (known) => ({ ...known, body: null, deleted: true }));
  assert.equal(window.find('2')?.deleted, true);
  assert.equal(before[1]?.deleted, false);
  assert.equal(window.messages[0], before[0]);
  window.change('17', () => assert.fail('unknown'));
});
