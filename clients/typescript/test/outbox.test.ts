/** Messages that are being sent. */

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { indexedDatabase, memoryDatabase, Outbox, type Database, type Draft } from '../src/store/index.js';
import { ok, problem } from './support/http-server.js';
import { bodies, clientOf, opened, posted, ROOM, Service, storeOf, until } from './support/rooms.js';

test('a message is a draft until its event arrives, and is stored once', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  service.answers = ['lose', problem(503, 'log-unavailable'), 'store'];
  const room = await storeOf(context, service, memoryDatabase()).open(ROOM);
  await until(() => room.lastV === 1);
  let changes = 0;
  room.onChange(() => {
    changes += 1;
  });
  await room.send('one');
  assert.deepEqual(
    room.drafts.map(({ body, state }) => [body, state]),
    [['one', 'sending']],
  );
  await room.send('two');
  await until(() => room.drafts.length === 0);
  assert.deepEqual([bodies(room), service.keys.length], [['one', 'two'], 2]);
  assert.ok(changes >= 4);
});

test('a refused draft is tried again with the same key, or discarded', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  service.answers = [problem(429, 'too-many-messages'), 'store', problem(409, 'room-closed')];
  const room = await storeOf(context, service, memoryDatabase()).open(ROOM);
  const key = await room.send('one');
  await until(() => room.drafts[0]?.state === 'failed');
  assert.equal(room.drafts[0]?.code, 'too-many-messages');
  await room.retry(key);
  await until(() => bodies(room).length === 1 && room.drafts.length === 0);
  assert.deepEqual(service.keys, [key]);
  const other = await room.send('two');
  await until(() => room.drafts[0]?.state === 'failed');
  await room.discard(other);
  assert.deepEqual([room.drafts, service.keys], [[], [key]]);
});

test('a held message is a draft until a moderator publishes it, also after days', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  service.answers = [ok(202, { report_id: 'r-1' }), ok(202, { report_id: 'r-2' })];
  const database = memoryDatabase();
  const first = storeOf(context, service, database);
  const room = await first.open(ROOM);
  const key = await room.send('ham');
  const other = await room.send('more ham');
  await until(() => room.drafts.every(({ state }) => state === 'held'));
  await room.discard(other);
  assert.deepEqual(
    room.drafts.map((draft) => draft.key),
    [key],
  );
  await first.dispose();
  const [draft] = await database.drafts(ROOM);
  await database.apply(ROOM, { drafts: [{ ...draft!, created_at: Date.now() - 50 * HOUR_MS }] });
  const again = await storeOf(context, service, database).open(ROOM);
  await until(() => again.lastV === 1);
  service.add({ ...posted(2, 'ham'), command_id: key });
  await until(() => again.drafts.length === 0);
  assert.deepEqual([bodies(again), service.keys], [['ham'], []]);
});

test('rooms and drafts survive a reload', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  service.add(posted(2, 'earlier'));
  const name = 'reload';
  const first = storeOf(context, service, await indexedDatabase(name));
  const room = await first.open(ROOM);
  await until(() => room.lastV === 2);
  // The page is closed before the answer: the message is stored, but the client does not know.
  service.answers = Array(100).fill('lose');
  await room.send('sent before the reload');
  await until(() => service.keys.length === 1);
  await first.dispose();
  service.answers = [];
  service.add(posted(4, 'missed'));
  const again = await storeOf(context, service, await indexedDatabase(name)).open(ROOM);
  assert.equal(bodies(again)[0], 'earlier');
  await until(() => again.drafts.length === 0 && again.lastV === 4);
  assert.deepEqual([bodies(again), service.keys.length], [['earlier', 'sent before the reload', 'missed'], 1]);
});

const HOUR_MS = 60 * 60 * 1000;

/** A database with the first event of the room and a draft of the day before. */
async function withOldDraft(state: Draft['state']): Promise<Database> {
  const database = memoryDatabase();
  await database.setCursor('before');
  const created_at = Date.now() - 25 * HOUR_MS;
  const draft = { key: 'old', room_id: ROOM, body: 'hello', reply_to: undefined, created_at };
  await database.apply(ROOM, { events: [opened], drafts: [{ ...draft, after_v: 1, state }] });
  return database;
}

for (const state of ['failed', 'sending', 'stored'] as const) {
  test(`an old draft whose message is in the feed is not sent again (${state})`, async (context) => {
    const service = await Service.start(context);
    service.feed.push(opened, posted(2, 'other'), { ...posted(3, 'hello'), command_id: 'old' });
    // The event arrives after the repeat. The service has forgotten the key.
    service.isHeld = true;
    const database = await withOldDraft(state);
    const room = await storeOf(context, service, database).open(ROOM);
    await room.retry('old');
    await until(() => room.drafts.length === 0);
    assert.deepEqual([service.keys, await database.drafts(ROOM)], [[], []]);
  });
}

test('an old draft is sent again only if the user asks for it', async (context) => {
  const service = await Service.start(context);
  service.feed.push(opened, posted(2, 'other'));
  const room = await storeOf(context, service, await withOldDraft('sending')).open(ROOM);
  await until(() => room.drafts[0]?.state === 'failed');
  assert.deepEqual([room.drafts[0]?.code, service.keys], ['expired', []]);
  await room.retry('old');
  await until(() => room.drafts.length === 0 && room.lastV === 3);
  assert.deepEqual([bodies(room), service.keys], [['other', 'hello'], ['old']]);
});

test('a sent draft whose event was skipped is dropped', async (context) => {
  const service = await Service.start(context);
  service.feed.push(opened, { ...posted(2, 'hello'), command_id: 'young' });
  for (let v = 3; v <= 200; v += 1) service.feed.push(posted(v, `${v}`));
  const database = memoryDatabase();
  const draft = { room_id: ROOM, body: 'hello', reply_to: undefined, created_at: Date.now(), after_v: 1 };
  await database.apply(ROOM, {
    drafts: [
      { ...draft, key: 'young', state: 'stored' },
      { ...draft, key: 'new', state: 'sending' },
    ],
  });
  const room = await storeOf(context, service, database).open(ROOM);
  await until(() => room.drafts.length === 0);
  assert.deepEqual(service.keys, ['new']);
});

/** An outbox without a followed room: its events are read only. */
function outboxOf(context: TestContext, service: Service, database: Database) {
  const room = { roomId: ROOM, onChange: () => {}, lastV: () => room.v, skippedV: () => room.v, v: 0 };
  const outbox = new Outbox(clientOf(context, service), database, room, { readMarker: true });
  context.after(() => outbox.close());
  return { outbox, room };
}

test('nothing is sent before the room was read, and a draft whose event was read with it is dropped', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  const database = memoryDatabase();
  const { outbox, room } = outboxOf(context, service, database);
  await outbox.send('hello');
  await outbox.load();
  assert.deepEqual(service.keys, []);
  room.v = 1;
  outbox.resume();
  await until(() => outbox.drafts[0]?.state === 'stored');
  assert.deepEqual([service.keys.length, service.bodies], [1, [{ body: 'hello', read_marker: true }]]);
  // The event arrived while the client was away. The room is read again.
  room.v = 2;
  outbox.resume();
  await until(() => outbox.drafts.length === 0);
  assert.deepEqual(await database.drafts(ROOM), []);
});

test('a draft that cannot be stored is sent all the same', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  const full = () => Promise.reject(new Error('the disk is full'));
  const { outbox } = outboxOf(context, service, { ...memoryDatabase(), apply: full, drafts: full });
  await outbox.load();
  outbox.resume();
  await outbox.send('hello');
  await until(() => outbox.drafts[0]?.state === 'stored');
  assert.equal(service.keys.length, 1);
});
