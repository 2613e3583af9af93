/** Texts that are removed: of erased users, and of deleted messages. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexedDatabase, memoryDatabase } from '../src/store/index.js';
import { sleep } from '../src/time.js';
import { bodies, databases, event, opened, posted, ROOM, Service, storeOf, stored, until } from './support/rooms.js';

const ERASURE = { type: 'alarms_withdrawn', box_id: 'b', by: 'ben' };

test('the texts of an erased user are removed from the database, also of rooms that are not open', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  service.add(posted(2, 'a secret', 'ben'));
  const database = await indexedDatabase('erased');
  const other = (v: number, author: string) => ({ ...posted(v, 'a secret', author), room_id: 'b.2' });
  // Events before a gap too. Another box with a similar name is another box.
  await database.apply('b.2', { events: [other(1, 'ben'), other(3, 'ben'), other(4, 'cem')] });
  await database.apply('b.c.1', { events: [{ ...other(1, 'ben'), room_id: 'b.c.1' }] });
  await database.setCursor('before');
  const room = await storeOf(context, service, database).open(ROOM);
  await until(() => room.lastV === 2);
  service.erase('ben');
  service.tell(ERASURE, 'after');
  await until(() => room.messages[0]?.erased === true);
  assert.deepEqual(bodies(room), ['[erased]']);
  assert.doesNotMatch(await stored(database), /a secret/);
  const rest = [...(await database.events('b.2', 10, 3)), ...(await database.events('b.2', 10))];
  assert.deepEqual(
    rest.map(({ data }) => (data as { body: string }).body),
    ['[erased]', '[erased]', 'a secret'],
  );
  assert.match(JSON.stringify(await database.events('b.c.1', 10)), /a secret/);
  // An event that was on its way.
  service.add(posted(3, 'another secret', 'ben'));
  await until(() => room.lastV === 3);
  assert.deepEqual(bodies(room), ['[erased]', '[erased]']);
  assert.doesNotMatch(await stored(database), /secret/);
});

for (const [kind, openDatabase] of Object.entries(databases)) {
  test(`a user who was erased while the store was closed is erased when it opens (${kind})`, async (context) => {
    const service = await Service.start(context);
    service.add(opened);
    service.add(posted(2, 'a secret', 'ben'));
    const database = await openDatabase('away');
    const first = storeOf(context, service, database);
    const room = await first.open(ROOM);
    await until(() => room.lastV === 2);
    await until(async () => (await database.cursor()) !== undefined);
    await first.dispose();
    service.erase('ben');
    service.missed = [ERASURE];
    const reopened = kind === 'memory' ? database : await openDatabase('away');
    const again = await storeOf(context, service, reopened).open(ROOM);
    assert.deepEqual(bodies(again), ['a secret'], 'the client cannot know yet');
    await until(() => bodies(again)[0] === '[erased]');
    assert.notEqual(service.cursors.at(-1), undefined);
    assert.doesNotMatch(await stored(reopened), /a secret/);
  });
}

test('an event that another tab has stored after the erasure is erased when the room opens', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  const database = await indexedDatabase('tabs');
  await database.setCursor('after');
  await database.erase('b', 'ben');
  await database.apply(ROOM, { events: [opened, posted(2, 'a secret', 'ben')] });
  const room = await storeOf(context, service, database).open(ROOM);
  assert.deepEqual(bodies(room), ['[erased]']);
  assert.doesNotMatch(await stored(database), /a secret/);
});

test('the text of a deleted message is removed from the database', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  service.add(posted(2, 'a secret'));
  const edit = { message_id: '2', body: 'an edited secret', erased: false, mentions: ['ben'], mentions_all: false };
  service.add(event(3, 'message_edited', edit));
  for (let v = 4; v <= 150; v += 1) service.add(posted(v, `text ${v}`));
  const database = await indexedDatabase('deleted');
  await database.setCursor('before');
  await database.apply(ROOM, { events: [...service.feed] });
  const room = await storeOf(context, service, database).open(ROOM);
  // The first one is not loaded, the second one is.
  service.add(event(151, 'message_deleted', { message_id: '2', by_moderator: false }));
  service.add(event(152, 'message_deleted', { message_id: '140', by_moderator: false }));
  await until(async () => (await database.events(ROOM, 1000)).at(-1)?.v === 152);
  assert.doesNotMatch(await stored(database), /secret|text 140/);
  assert.match(await stored(database), /text 141/);
  assert.equal(room.messages.find(({ message_id }) => message_id === '140')?.body, null);
});

test('a failed erasure is repeated by the next store', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  const database = memoryDatabase();
  await database.setCursor('before');
  const erase = () => Promise.reject(new Error('the disk is full'));
  const store = storeOf(context, service, { ...database, erase });
  const room = await store.open(ROOM);
  await until(() => room.lastV === 1);
  const errors: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException').once('uncaughtException', (error) => errors.push(error));
  service.tell(ERASURE, 'after');
  await until(() => errors.length > 0);
  listeners.forEach((listener) => process.on('uncaughtException', listener));
  await sleep(50);
  await store.dispose();
  assert.notEqual(await database.cursor(), 'after');
});

test('the title of an erased user is removed, and read again if another user may have given it', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  for (let v = 2; v <= 150; v += 1) service.add(posted(v, `${v}`));
  const database = await indexedDatabase('titles');
  const room = await storeOf(context, service, database).open(ROOM);
  await until(() => room.lastV === 150 && room.info.title === 'Lunch' && room.members.length === 2);
  service.card = { ...service.card, title: '[erased]', title_erased: true };
  service.erase('ben');
  service.tell(ERASURE, 'after');
  await until(() => room.info.title_erased === true);
  assert.deepEqual([room.info.title, room.members[1]?.nickname], ['[erased]', null]);
  await until(async () => (await database.snapshot(ROOM))?.info.title === '[erased]');
});
