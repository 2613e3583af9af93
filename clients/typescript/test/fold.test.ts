/** The state of a room that is folded from its events. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RoomEvent } from '../src/index.js';
import { Fold, snapshotWithoutUser, withoutTexts } from '../src/store/index.js';
import { event, opened, posted, AT } from './support/rooms.js';

test('events are folded, and unknown ones change nothing', () => {
  const react = (v: number, kind: string, user_id: string) =>
    event(v, kind, { message_id: '3', user_id, emoji: '👍' }, user_id);
  const fold = new Fold(undefined, [
    opened,
    event(2, 'member_joined', { user_id: 'ben', nickname: 'Ben' }, 'ben'),
    posted(3, 'one'),
    posted(4, 'two'),
    event(5, 'message_edited', { message_id: '3', body: 'ONE', erased: false, mentions: ['ben'], mentions_all: false }),
    react(6, 'reaction_added', 'ben'),
    react(7, 'reaction_added', 'cem'),
    react(8, 'reaction_removed', 'ben'),
    event(9, 'message_deleted', { message_id: '4' }),
    event(10, 'member_joined', { user_id: 'cem', nickname: 'Cem' }, 'cem'),
    event(11, 'member_kicked', { user_id: 'ben' }),
    event(12, 'host_transferred', { from: 'ana', to: 'cem', change: 'transferred' }),
    event(13, 'member_left', { user_id: 'ana' }),
    event(14, 'step_advanced', { step: 'ordering' }),
    event(15, 'cake_eaten', { slices: 2 }),
    event(17, 'message_pinned', { message_id: '3', replaced: null }),
    event(18, 'message_pinned', { message_id: '20', replaced: null }),
    event(19, 'message_pinned', { message_id: '21', replaced: '3' }),
    event(20, 'message_unpinned', { message_id: '20' }),
    event(21, 'room_changed', { title: 'Late lunch', title_erased: false, max_members: 6, locked: false }),
    event(16, 'message_edited', {
      message_id: '99',
      body: 'of an earlier page',
      erased: false,
      mentions: [],
      mentions_all: false,
    }),
  ]);
  const [one, two] = [...fold.messages.values()];
  assert.deepEqual(
    [one?.body, one?.edited_at, one?.mentions, [...(one?.reactions ?? [])]],
    ['ONE', AT, ['ben'], [['👍', ['cem']]]],
  );
  assert.deepEqual([two?.body, two?.deleted, fold.messages.size], [null, true, 2]);
  assert.deepEqual(fold.members, [{ user_id: 'cem', nickname: 'Cem' }]);
  const title = { title: 'Late lunch', title_erased: false };
  assert.deepEqual({ ...fold.info }, { ...title, host: 'cem', closes_at: AT, step: 'ordering', pinned: ['21'] });
  fold.apply(event(22, 'message_deleted', { message_id: '21' }));
  assert.deepEqual(fold.info.pinned, []);
  fold.apply(event(23, 'room_closed', { reason: 'host' }));
  assert.equal(fold.info.closed, true);
});

test('a change of other fields than the title leaves the title', () => {
  const fold = new Fold(undefined, [opened, event(2, 'room_changed', { title_erased: false, max_members: 6 })]);
  assert.equal(fold.info.title, 'Lunch');
});

test('a message that was deleted at the same time is not pinned', () => {
  const gone = event(3, 'message_deleted', { message_id: '2', by_moderator: false });
  const pin = (v: number, message_id: string, replaced?: string) =>
    event(v, 'message_pinned', { message_id, ...(replaced === undefined ? {} : { replaced }) });
  const fold = new Fold(undefined, [opened, posted(2, 'two'), gone, pin(4, '9'), pin(5, '2', '9')]);
  assert.deepEqual(fold.info.pinned, [], 'the pin that it replaced is gone all the same');
  // The message was posted before the first known event.
  assert.deepEqual(new Fold(undefined, [gone, pin(4, '2'), pin(5, '7')]).info.pinned, ['7']);
  // The service has blanked the message before it was read.
  assert.equal(new Fold(undefined, [posted(2, null), pin(3, '2')]).info.pinned, undefined);
});

test('an erased event equals that which the service returns', () => {
  const changed = event(2, 'room_changed', { title: 'Ben’s lunch', title_erased: false, max_members: 6 }, 'ben');
  const edit = { message_id: '3', body: 'a secret', erased: false, mentions: ['ana'], mentions_all: true };
  const gone = { message_id: '4', author: 'ben', body: null, erased: false, reply_to: null };
  const title = { title: '[erased]', title_erased: true };
  const pairs: [RoomEvent, object][] = [
    [event(1, 'room_opened', { title: 'Lunch', title_erased: false, host: 'ben' }, 'ben'), title],
    [changed, title],
    [event(3, 'message_edited', edit, 'ben'), { body: '[erased]', erased: true, mentions: [], mentions_all: false }],
    [event(4, 'message_posted', gone, 'ben'), { erased: true }],
    [event(5, 'member_joined', { user_id: 'ben', nickname: 'Ben' }, 'ben'), { nickname: null }],
    [event(6, 'room_changed', { title_erased: false, max_members: 7 }, 'ben'), {}],
    [event(7, 'message_deleted', { message_id: '3', by_moderator: false }, 'ben'), {}],
  ];
  for (const [before, changes] of pairs) {
    assert.deepEqual(withoutTexts(before, 'ben'), { ...before, data: { ...(before.data as object), ...changes } });
    assert.equal(withoutTexts(before, 'ana'), before);
  }
  const fold = new Fold(undefined, [opened, withoutTexts(changed, 'ben')]);
  assert.deepEqual([fold.info.title, fold.info.title_erased], ['[erased]', true]);
  const info = { title: 'Lunch', title_erased: false, host: 'ana' };
  const snapshot = { members: [{ user_id: 'ben', nickname: 'Ben' }], info };
  assert.deepEqual(snapshotWithoutUser(snapshot, 'ben'), {
    members: [{ user_id: 'ben', nickname: null }],
    info: { host: 'ana' },
  });
});
