/** Rooms of a store: paging, snapshots and resets. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexedDatabase, memoryDatabase, type Database } from '../src/store/index.js';
import { sleep } from '../src/time.js';
import { problem } from './support/http-server.js';
import { bodies, event, opened, posted, ROOM, Service, storeOf, stored, until } from './support/rooms.js';

test('a room begins with its last events, and earlier ones are loaded', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  for (let v = 2; v <= 250; v += 1) service.add(posted(v, `${v}`));
  const store = storeOf(context, service, memoryDatabase());
  const room = await store.open(ROOM);
  await until(() => room.lastV === 250 && room.members.length === 2);
  assert.deepEqual([bodies(room)[0], room.messages.length, room.members[0]?.user_id], ['151', 100, 'ana']);
  // The edit of a message that is not loaded shows once it is.
  service.add(
    event(251, 'message_edited', { message_id: '60', body: 'sixty', erased: false, mentions: [], mentions_all: false }),
  );
  await until(() => room.lastV === 251);
  assert.equal(await room.loadEarlier(), true);
  assert.equal(await room.loadEarlier(), true);
  assert.deepEqual([await room.loadEarlier(), room.hasEarlier, room.messages.length], [false, false, 249]);
  assert.equal(room.messages.find(({ message_id }) => message_id === '60')?.body, 'sixty');
});

test('the snapshot of a room is read again when the room is opened', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  for (let v = 2; v <= 150; v += 1) service.add(posted(v, `${v}`));
  const database = memoryDatabase();
  await database.setCursor('before');
  await database.apply(ROOM, {
    events: service.feed.slice(100),
    snapshot: { members: [{ user_id: 'cem', nickname: 'Cem' }], info: { title: 'Earlier lunch' } },
  });
  const room = await storeOf(context, service, database).open(ROOM);
  assert.equal(room.info.title, 'Earlier lunch');
  await until(() => room.info.title === 'Lunch' && room.members.length === 2);
});

test('a page that was read before a reset of the alarms is read again', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  for (let v = 2; v <= 250; v += 1) service.add(posted(v, 'a secret', 'ben'));
  const database = memoryDatabase();
  await database.setCursor('before');
  await database.apply(ROOM, { events: [...service.feed] });
  let release = () => {};
  const slow: Database = {
    ...database,
    events: async (roomId, limit, beforeV) => {
      const page = await database.events(roomId, limit, beforeV);
      if (beforeV !== undefined) await new Promise<void>((resolve) => (release = resolve));
      return page;
    },
  };
  const room = await storeOf(context, service, slow).open(ROOM);
  await until(() => service.cursors.length > 0);
  const loading = room.loadEarlier();
  service.erase('ben');
  service.tell({ type: 'reset', reason: 'unknown-cursor' }, 'after');
  await until(() => bodies(room)[0] === '[erased]');
  release();
  await sleep(20);
  release();
  assert.equal(await loading, true);
  assert.deepEqual([room.messages.length, new Set(bodies(room))], [200, new Set(['[erased]'])]);
});

test('a room that the user has left is not shown any more after a reset of the alarms', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  service.add(posted(2, 'a secret', 'ben'));
  const room = await storeOf(context, service, memoryDatabase()).open(ROOM);
  await until(() => room.lastV === 2);
  service.refusal = problem(403, 'not-a-member');
  service.tell({ type: 'reset', reason: 'unknown-cursor' }, 'after');
  await until(() => room.messages.length === 0);
});

test('without a cursor, stored rooms are read again', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  service.add(posted(2, 'a secret', 'ben'));
  const database = await indexedDatabase('no-cursor');
  await database.apply(ROOM, { events: [...service.feed] });
  service.erase('ben');
  const room = await storeOf(context, service, database).open(ROOM);
  await until(() => room.lastV === 2);
  assert.deepEqual(bodies(room), ['[erased]']);
  assert.doesNotMatch(await stored(database), /a secret/);
});

test('after a reset of the alarms, stored rooms are read again', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  service.add(event(2, 'member_joined', { user_id: 'ben', nickname: 'Ben' }, 'ben'));
  for (let v = 3; v <= 250; v += 1) service.add(posted(v, 'a secret', v === 250 ? 'ana' : 'ben'));
  const database = await indexedDatabase('alarms-reset');
  await database.setCursor('unknown');
  await database.apply(ROOM, { events: [...service.feed] });
  await database.apply('b.2', { events: [{ ...posted(1, 'a secret', 'ben'), room_id: 'b.2' }] });
  service.erase('ben');
  service.missed = [{ type: 'reset', reason: 'unknown-cursor' }];
  const room = await storeOf(context, service, database).open(ROOM);
  assert.deepEqual([room.messages.length, bodies(room)[0]], [100, 'a secret']);
  await until(() => bodies(room)[0] === '[erased]' && room.members.length === 2);
  assert.deepEqual([room.messages.length, room.lastV, bodies(room).at(-1)], [100, 250, 'a secret']);
  assert.deepEqual(room.members[1], { user_id: 'ben', nickname: null });
  assert.equal(await room.loadEarlier(), true);
  assert.deepEqual([room.messages.length, bodies(room)[0]], [200, '[erased]']);
  assert.deepEqual(await database.events('b.2', 10), []);
  service.add(posted(251, 'new'));
  await until(() => room.lastV === 251);
  assert.equal((await database.events(ROOM, 1000)).length, 201);
});

test('a room of another log begins again', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  const database = memoryDatabase();
  await database.setCursor('of another log');
  await database.apply(ROOM, { events: [1, 2, 3].map((v) => posted(v, `lost ${v}`)) });
  const room = await storeOf(context, service, database).open(ROOM);
  await until(() => room.lastV === 1 && room.info.title === 'Lunch');
  service.add(posted(2, 'new'));
  await until(() => room.lastV === 2);
  assert.deepEqual([bodies(room), (await database.events(ROOM, 10)).length], [['new'], 2]);
});
