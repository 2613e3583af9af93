/** The store: folding, databases, paging and drafts. */

import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, test, type TestContext } from 'node:test';
import { Boxroom, type RoomEvent } from '../src/index.js';
import {
  Fold,
  indexedDatabase,
  memoryDatabase,
  RoomStore,
  snapshotWithoutUser,
  withoutTexts,
  type Database,
  type Draft,
  type StoredRoom,
} from '../src/store/index.js';
import { sleep } from '../src/time.js';
import { BREAK, HttpServer, ok, problem, type Received, type Reply } from './support/http-server.js';
import { PATIENCE_MS } from './support/scripted-server.js';

const ROOM = 'b.1';
const AT = '2026-01-02T03:04:05.678Z';

const event = (v: number, type: string, data: object, by: string | null = 'ana'): RoomEvent => ({
  room_id: ROOM,
  v,
  type,
  at: AT,
  by,
  data,
});
const posted = (v: number, body: string | null, author = 'ana') => {
  const data = {
    message_id: String(v),
    author,
    body,
    erased: false,
    reply_to: null,
    mentions: [],
    mentions_all: false,
  };
  return event(v, 'message_posted', data, author);
};
const opened = event(1, 'room_opened', {
  title: 'Lunch',
  title_erased: false,
  host: 'ana',
  store_id: 's',
  max_members: 4,
  locked: false,
  opened_at: AT,
  closes_at: AT,
});

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

const databases: Record<string, (name: string) => Promise<Database>> = {
  memory: async () => memoryDatabase(),
  IndexedDB: (name) => indexedDatabase(name),
};
for (const [kind, openDatabase] of Object.entries(databases)) {
  describe(`a database in ${kind}`, () => {
    test('returns consecutive events, and drafts in order', async () => {
      const database = await openDatabase('contract');
      const draft = (key: string) => ({
        key,
        room_id: ROOM,
        body: key,
        reply_to: undefined,
        created_at: 0,
        after_v: 0,
        state: 'sending' as const,
      });
      await database.apply(ROOM, {
        events: [1, 3, 4, 5].map((v) => posted(v, `${v}`)),
        drafts: [draft('b'), draft('a')],
      });
      await database.apply('b.2', {
        events: [{ ...posted(9, '9'), room_id: 'b.2' }],
        snapshot: { members: [], info: {} },
      });
      const versions = async (limit: number, before?: number) =>
        (await database.events(ROOM, limit, before)).map(({ v }) => v);
      assert.deepEqual(
        [await versions(10), await versions(2), await versions(10, 5), await versions(10, 3)],
        [[3, 4, 5], [4, 5], [3, 4], [1]],
      );
      assert.deepEqual(
        (await database.drafts(ROOM)).map(({ key }) => key),
        ['a', 'b'],
      );
      assert.deepEqual(await database.snapshot('b.2'), { members: [], info: {} });
      await database.apply(ROOM, { events: [posted(6, '6')], sent: ['a'], clear: true });
      assert.deepEqual([await versions(10), (await database.drafts(ROOM)).map(({ key }) => key)], [[6], ['b']]);
      await database.clear();
      assert.deepEqual(
        [await versions(10), await database.drafts(ROOM), await database.snapshot('b.2')],
        [[], [], undefined],
      );
      database.close();
    });

    test('keeps a bounded number of events', async () => {
      const database = await openDatabase('bounded');
      await database.apply(ROOM, { events: Array.from({ length: 2100 }, (_, index) => posted(index + 1, '')) });
      const events = await database.events(ROOM, 5000);
      assert.deepEqual([events.length, events[0]?.v], [2000, 101]);
      database.close();
    });
  });
}

/** A service with one room. Posts get the next answer of a list, and are stored if it is none. */
class Service {
  readonly feed: RoomEvent[] = [];
  readonly keys: string[] = [];
  /** Answers to posts: `store` answers, `lose` stores and breaks the connection. */
  answers: (Reply | 'store' | 'lose')[] = [];
  /** The card and the members of the room. */
  card: object = { title: 'Lunch', title_erased: false, host: 'ana', step: 'gathering', closes_at: AT };
  members = [
    { user_id: 'ana', nickname: 'Ana' as string | null },
    { user_id: 'ben', nickname: 'Ben' as string | null },
  ];
  /** The cursors with which streams were opened. */
  readonly cursors: (string | undefined)[] = [];
  /** Frames for streams that begin with a cursor. */
  missed: object[] = [];
  /** True if streams do not confirm the room. */
  isHeld = false;
  /** The answer to reads of the feed, if they are refused. */
  refusal: Reply | undefined;
  private readonly streams = new Set<ServerResponse>();
  http!: HttpServer;

  static async start(context: TestContext): Promise<Service> {
    const service = new Service();
    service.http = await HttpServer.start((response, request) => service.onRequest(response, request));
    context.after(() => service.http.stop());
    return service;
  }

  add(event: RoomEvent): void {
    this.feed.push(event);
    for (const stream of this.streams) stream.write(`id: ${event.v}\ndata: ${JSON.stringify(event)}\n\n`);
  }

  /** Sends a frame of the user, with the cursor after it. */
  tell(frame: object, cursor: string): void {
    for (const stream of this.streams) stream.write(`data: ${JSON.stringify(frame)}\n\nid: ${cursor}\n\n`);
  }

  /** Erases a user, as the read model does. */
  erase(user: string): void {
    this.feed.splice(0, this.feed.length, ...this.feed.map((event) => withoutTexts(event, user)));
    this.members = this.members.map((member) => (member.user_id === user ? { ...member, nickname: null } : member));
  }

  private onRequest(response: ServerResponse, request: Received): void {
    const { pathname, searchParams } = new URL(request.url, 'http://service');
    const say = (frame: object) => response.write(`data: ${JSON.stringify(frame)}\n\n`);
    if (pathname === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      say({ type: 'welcome', session: 's', heartbeat_ms: 60_000, expires_in_ms: 900_000, cursor: 'now', resumed: {} });
      const cursor = request.headers['last-event-id'] as string | undefined;
      this.cursors.push(cursor);
      if (cursor !== undefined) this.missed.forEach(say);
      if (this.isHeld) return;
      if (searchParams.has('rooms')) {
        say({ type: 'subscribed', room_id: ROOM, head_v: this.feed.length, recovered: false });
      }
      response.write('id: begun\n\n');
      this.streams.add(response);
      return;
    }
    if (pathname.endsWith('/events')) {
      if (this.refusal) return this.refusal(response, request);
      const after = Number(searchParams.get('after_v') ?? 0);
      const items = this.feed.filter(({ v }) => v > after).slice(0, Number(searchParams.get('limit') ?? 50));
      return ok(200, { items, next: null, head_v: this.feed.length })(response, request);
    }
    if (pathname.endsWith('/members')) {
      return ok(200, { items: this.members, next: null })(response, request);
    }
    if (request.method === 'POST') return this.onPost(response, request);
    return ok(200, this.card)(response, request);
  }

  private onPost(response: ServerResponse, request: Received): void {
    const answer = this.answers.shift() ?? 'store';
    if (typeof answer === 'function') return answer(response, request);
    const key = String(request.headers['idempotency-key']);
    if (!this.keys.includes(key)) {
      this.keys.push(key);
      const { body } = JSON.parse(request.body);
      this.add({ ...posted(this.feed.length + 1, body), command_id: key });
    }
    (answer === 'lose' ? BREAK : ok(201, { id: String(this.feed.length) }))(response, request);
  }
}

function storeOf(context: TestContext, service: Service, database: Database): RoomStore {
  const { url } = service.http;
  const client = new Boxroom({
    commandUrl: url,
    queryUrl: url,
    tokens: 'a token',
    live: { transport: 'sse', longestDelayMs: 200 },
  });
  context.after(() => client.close());
  return new RoomStore(client, database);
}

async function until(condition: () => boolean): Promise<void> {
  const start = Date.now();
  while (!condition()) {
    assert.ok(Date.now() - start < PATIENCE_MS, 'the condition is not met');
    await sleep(10);
  }
}

async function untilAsync(condition: () => Promise<boolean>): Promise<void> {
  const start = Date.now();
  while (!(await condition())) {
    assert.ok(Date.now() - start < PATIENCE_MS, 'the condition is not met');
    await sleep(10);
  }
}

const bodies = (room: StoredRoom) => room.messages.map(({ body }) => body);

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

const ERASURE = { type: 'alarms_withdrawn', box_id: 'b', by: 'ben' };
const stored = async (database: Database) => JSON.stringify(await database.events(ROOM, 1000));

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
    await untilAsync(async () => (await database.cursor()) !== undefined);
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
  await untilAsync(async () => (await database.events(ROOM, 1000)).at(-1)?.v === 152);
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
  await untilAsync(async () => (await database.snapshot(ROOM))?.info.title === '[erased]');
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
