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
  type Database,
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

  private onRequest(response: ServerResponse, request: Received): void {
    const { pathname, searchParams } = new URL(request.url, 'http://service');
    const say = (frame: object) => response.write(`data: ${JSON.stringify(frame)}\n\n`);
    if (pathname === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      say({ type: 'welcome', session: 's', heartbeat_ms: 60_000, expires_in_ms: 900_000, cursor: '', resumed: {} });
      say({ type: 'subscribed', room_id: ROOM, head_v: this.feed.length, recovered: false });
      this.streams.add(response);
      return;
    }
    if (pathname.endsWith('/events')) {
      const after = Number(searchParams.get('after_v') ?? 0);
      const items = this.feed.filter(({ v }) => v > after).slice(0, Number(searchParams.get('limit') ?? 50));
      return ok(200, { items, next: null, head_v: this.feed.length })(response, request);
    }
    if (pathname.endsWith('/members')) {
      const items = [
        { user_id: 'ana', nickname: 'Ana' },
        { user_id: 'ben', nickname: 'Ben' },
      ];
      return ok(200, { items, next: null })(response, request);
    }
    if (request.method === 'POST') return this.onPost(response, request);
    return ok(200, { title: 'Lunch', host: 'ana', step: 'gathering', closes_at: AT })(response, request);
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

test('the texts of an erased user are removed from the database', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  service.add(posted(2, 'a secret', 'ben'));
  const database = await indexedDatabase('erased');
  const room = await storeOf(context, service, database).open(ROOM);
  await until(() => room.lastV === 2);
  await room.erase('ben');
  assert.deepEqual([bodies(room), room.messages[0]?.erased], [['[erased]'], true]);
  assert.doesNotMatch(JSON.stringify(await database.events(ROOM, 10)), /a secret/);
});

test('a room of another log begins again', async (context) => {
  const service = await Service.start(context);
  service.add(opened);
  const database = memoryDatabase();
  await database.apply(ROOM, { events: [1, 2, 3].map((v) => posted(v, `lost ${v}`)) });
  const room = await storeOf(context, service, database).open(ROOM);
  await until(() => room.lastV === 1 && room.info.title === 'Lunch');
  service.add(posted(2, 'new'));
  await until(() => room.lastV === 2);
  assert.deepEqual([bodies(room), (await database.events(ROOM, 10)).length], [['new'], 2]);
});
