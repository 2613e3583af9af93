/** Live connections beyond the scenarios: server-sent events, handlers, back-pressure and changes of the network. */

import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test, type TestContext } from 'node:test';
import WebSocket from 'ws';
import { Boxroom, Refused, type BoxroomOptions, type Item, type ItemType, type WebSocketLike } from '../src/index.js';
import type { Environment } from '../src/live/environment.js';
import { environmentOf } from '../src/live/environment.js';
import { BURST, RateLimiter } from '../src/live/rate-limiter.js';
import { EventParser } from '../src/live/sse.js';
import { sleep, withTimeout } from '../src/time.js';
import { HttpServer, ok, problem, type Received } from './support/http-server.js';
import { Mailbox, PATIENCE_MS, ScriptedServer } from './support/scripted-server.js';

const ROOM = 'b.1';
const WELCOME = {
  type: 'welcome',
  session: 's',
  heartbeat_ms: 60_000,
  expires_in_ms: 900_000,
  cursor: 'c',
  resumed: {},
};

/** A service that sends server-sent events only. Reads of feeds get the events from a list. */
class EventsService {
  readonly streams = new Mailbox<{ response: ServerResponse; query: URLSearchParams; request: Received }>();
  feed: object[] = [];
  http!: HttpServer;

  static async start(context: TestContext): Promise<EventsService> {
    const service = new EventsService();
    service.http = await HttpServer.start((response, request) => {
      const { pathname, searchParams } = new URL(request.url, 'http://service');
      if (pathname === '/events') {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        return service.streams.put({ response, query: searchParams, request });
      }
      const afterV = Number(searchParams.get('after_v'));
      const items = service.feed.filter((event) => (event as { v: number }).v > afterV);
      return ok(200, { items, next: null, head_v: service.feed.length })(response, request);
    });
    context.after(() => service.http.stop());
    return service;
  }

  /** Accepts a stream and welcomes it. */
  async accept(resumed = {}) {
    const stream = await this.streams.take('a stream');
    say(stream.response, { ...WELCOME, resumed });
    return stream;
  }
}

function say(response: ServerResponse, frame: { type: string; [field: string]: unknown }, id?: string): void {
  response.write(`${id ? `id: ${id}\n` : ''}event: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`);
}

const event = (v: number) => ({ room_id: ROOM, v, type: 'x', at: '2026-01-02T03:04:05.678Z', by: 'ana', data: {} });
const subscribed = (head_v: number, recovered = false) => ({ type: 'subscribed', room_id: ROOM, head_v, recovered });

function client(context: TestContext, url: string | string[], live: BoxroomOptions['live'] = {}): Boxroom {
  const boxroom = new Boxroom({
    commandUrl: url,
    queryUrl: url,
    tokens: 'a token',
    live: { longestDelayMs: 200, ...live },
  });
  context.after(() => boxroom.close());
  return boxroom;
}

/** Returns the next item of a type. */
async function next<T extends ItemType>(
  items: AsyncIterator<Item>,
  type: T,
): Promise<Extract<Item, { type: T }>['data']> {
  for (;;) {
    const { value } = await withTimeout(items.next(), PATIENCE_MS, `no ${type}`);
    if (value?.type === type) return value.data;
    assert.ok(value, `ended before ${type}`);
  }
}

async function expectEvents(items: AsyncIterator<Item>, versions: number[]): Promise<void> {
  for (const v of versions) assert.equal((await next(items, 'event')).v, v);
}

test('server-sent events are parsed in any pieces', () => {
  const text = 'retry: 5\r\n\r\nid: 1\n\n:\n\nid: 2\nevent: x\ndata: a\ndata:b\r\n\r\ndata\n\n';
  for (const size of [1, 2, 3, 7, text.length]) {
    const parser = new EventParser();
    const events = [];
    for (let start = 0; start < text.length; start += size)
      events.push(...parser.push(text.slice(start, start + size)));
    assert.deepEqual(events, [{ id: '1' }, { id: '2', data: 'a\nb' }, { data: '' }]);
  }
});

test('server-sent events are used where WebSockets are blocked', async (context) => {
  const service = await EventsService.start(context);
  const { live } = client(context, service.http.url, { WebSocket });
  const items = live.items();
  live.subscribe(ROOM, 0);
  const { response } = await service.accept();
  const connected = await next(items, 'connected');
  assert.equal(connected.transport, 'sse');
  say(response, subscribed(0));
  say(response, event(1), 'cursor one');
  await expectEvents(items, [1]);
});

test('a service that is down is not taken for one that blocks WebSockets', async (context) => {
  const gone = await ScriptedServer.down();
  const asked: string[] = [];
  const boxroom = new Boxroom({
    commandUrl: gone.url,
    queryUrl: gone.url,
    tokens: 'a token',
    live: { WebSocket, longestDelayMs: 10 },
    fetch: (input) => {
      asked.push(String(input));
      return Promise.reject(new TypeError('fetch failed'));
    },
  });
  context.after(() => boxroom.close());
  const items = boxroom.live.items();
  boxroom.live.connect();
  for (let attempt = 0; attempt < 5; attempt += 1) await next(items, 'disconnected');
  assert.deepEqual([...new Set(asked)], [`${gone.url}/healthz`]);
});

test('a stream reads what a room has missed, and resumes with the last id', async (context) => {
  const service = await EventsService.start(context);
  service.feed = [1, 2, 3, 4].map(event);
  const { live } = client(context, service.http.url, { transport: 'sse' });
  const items = live.items();
  live.subscribe(ROOM, 2);
  const first = await service.accept();
  assert.equal(first.query.get('rooms'), ROOM);
  assert.equal(first.request.headers.authorization, 'Bearer a token');
  say(first.response, subscribed(4));
  await expectEvents(items, [3, 4]);
  await next(items, 'subscribed');
  say(first.response, event(5), 'cursor five');
  await expectEvents(items, [5]);
  first.response.destroy();
  const second = await service.accept({ [ROOM]: 5 });
  assert.equal(second.request.headers['last-event-id'], 'cursor five');
  say(second.response, subscribed(6, true));
  say(second.response, event(6), 'cursor six');
  await expectEvents(items, [6]);
});

test('a stream is replaced when rooms change, and the old one continues until then', async (context) => {
  const service = await EventsService.start(context);
  const { live } = client(context, service.http.url, { transport: 'sse' });
  const items = live.items();
  live.subscribe(ROOM);
  const first = await service.accept();
  say(first.response, subscribed(1));
  say(first.response, event(2), 'two');
  await expectEvents(items, [2]);
  live.subscribe('b.2', 0);
  const second = await service.streams.take('a stream');
  assert.deepEqual([second.query.get('rooms'), second.request.headers['last-event-id']], [`${ROOM},b.2`, 'two']);
  say(first.response, event(3), 'three');
  await expectEvents(items, [3]);
  say(second.response, { ...WELCOME, resumed: { [ROOM]: 2 } });
  say(second.response, subscribed(3, true));
  say(second.response, event(3), 'three');
  say(second.response, { type: 'error', room_id: 'b.2', code: 'not-a-member', detail: 'why' });
  assert.deepEqual((await next(items, 'ended')).reason, { kind: 'refused', code: 'not-a-member', detail: 'why' });
  say(second.response, event(4), 'four');
  await expectEvents(items, [4]);
});

test('a page is fetched without a WebSocket', async (context) => {
  const service = await EventsService.start(context);
  service.feed = [1, 2, 3].map(event);
  const { live } = client(context, service.http.url, { transport: 'sse' });
  const fetching = live.fetch(ROOM, 1);
  await service.accept();
  const page = await fetching;
  assert.deepEqual([page.events.map(({ v }) => v), page.to_v, page.head_v], [[2, 3], 3, 3]);
});

test('refusals of a stream are those of a WebSocket', async (context) => {
  for (const [status, code, close] of [
    [401, 'revoked-token', 4202],
    [403, 'forbidden', 4303],
  ] as const) {
    const server = await HttpServer.start(problem(status, code));
    context.after(() => server.stop());
    const items = client(context, server.url, { transport: 'sse' }).live.items();
    const boxroom = client(context, server.url, { transport: 'sse' });
    const own = boxroom.live.items();
    boxroom.live.connect();
    assert.deepEqual([(await next(own, 'stopped')).code, (await own.next()).done], [close, true]);
    await items.return?.();
  }
});

test('handlers are called in order, and a pending one delays the others', async (context) => {
  const server = await ScriptedServer.start();
  context.after(() => server.stop());
  const { live } = client(context, server.url, { WebSocket, transport: 'websocket' });
  const seen: string[] = [];
  const all = new Promise<void>((resolve) => {
    live.on('event', async ({ v }) => {
      await new Promise((done) => setTimeout(done, 10));
      seen.push(`slow ${v}`);
    });
    const remove = live.on('event', ({ v }) => {
      seen.push(`fast ${v}`);
      if (v === 2) remove();
      if (v === 2) resolve();
    });
  });
  live.subscribe(ROOM, 0);
  const peer = await server.peers.take('a connection');
  for (const frame of [WELCOME, subscribed(0, true), event(1), event(2)]) peer.send(JSON.stringify(frame));
  await withTimeout(all, PATIENCE_MS, 'no event');
  assert.deepEqual(seen, ['slow 1', 'fast 1', 'slow 2', 'fast 2']);
});

test('a cursor is reported once everything before it was delivered', async (context) => {
  const server = await ScriptedServer.start();
  context.after(() => server.stop());
  const { live } = client(context, server.url, { WebSocket });
  const seen: string[] = [];
  let release = () => {};
  live.on('alarms_reset', () => {
    seen.push('reset');
    return new Promise<void>((resolve) => (release = resolve));
  });
  live.onCursor((cursor) => seen.push(cursor));
  live.connect();
  const peer = await server.peers.take('a connection');
  const tell = (frame: object) => peer.send(JSON.stringify(frame));
  await peer.next();
  tell({ ...WELCOME, cursor: 'one' });
  // The cursor of the beginning does not cover it.
  await sleep(50);
  assert.deepEqual([seen, live.cursor], [[], 'one']);
  tell({ type: 'reset', reason: 'unknown-cursor' });
  for (const cursor of ['two', 'three']) tell({ type: 'ping', heads: {}, cursor });
  await sleep(50);
  assert.deepEqual([seen, live.cursor], [['reset'], 'three']);
  release();
  await sleep(50);
  assert.deepEqual(seen, ['reset', 'three']);
});

test('a client that is connected already continues from another cursor', async (context) => {
  const server = await ScriptedServer.start();
  context.after(() => server.stop());
  const { live } = client(context, server.url, { WebSocket });
  live.connect();
  const first = await server.peers.take('a connection');
  assert.equal('cursor' in ((await first.next()) as object), false);
  first.send(JSON.stringify(WELCOME));
  await sleep(50);
  live.resume('earlier');
  const second = await server.peers.take('another connection');
  assert.equal(((await second.next()) as { cursor?: string }).cursor, 'earlier');
});

test('a token that may not be renewed yet is kept', async (context) => {
  const server = await ScriptedServer.start();
  context.after(() => server.stop());
  const calls: string[] = [];
  const tokens = {
    token: async (old?: string) => `${calls.push(`token ${old}`)}`,
    renew: async (old: string) => {
      calls.push(`renew ${old}`);
      return old;
    },
  };
  const boxroom = new Boxroom({ commandUrl: server.url, queryUrl: server.url, tokens, live: { WebSocket } });
  context.after(() => boxroom.close());
  boxroom.live.connect();
  const peer = await server.peers.take('a connection');
  peer.send(JSON.stringify({ ...WELCOME, expires_in_ms: 100 }));
  await sleep(800);
  assert.deepEqual(calls, ['token undefined', 'renew 1']);
});

test('a lobby is followed, replaced, refused and requested again on the next connection', async (context) => {
  const server = await ScriptedServer.start();
  context.after(() => server.stop());
  const { live } = client(context, server.url, { WebSocket, transport: 'websocket' });
  const items = live.items();
  live.followLobby({ zip_code: '04109' });
  let peer = await server.peers.take('a connection');
  await peer.next();
  const say = (frame: object) => peer.send(JSON.stringify(frame));
  const hear = async () => (await peer.next()) as { type: string; id: string; near?: string; zip_code?: string };
  say(WELCOME);
  const first = await hear();
  assert.deepEqual([first.type, first.zip_code], ['subscribe_lobby', '04109']);
  live.followLobby({ near: '51.34,12.37', radius: 2000 });
  const second = await hear();
  assert.deepEqual([second.type, second.near], ['subscribe_lobby', '51.34,12.37']);
  // The answer to the replaced request changes nothing.
  say({ type: 'lobby_subscribed', id: first.id });
  say({ type: 'lobby', rooms: [{ room_id: 'old' }] });
  say({ type: 'lobby_subscribed', id: second.id });
  say({ type: 'lobby', rooms: [{ room_id: 'new' }] });
  assert.deepEqual((await next(items, 'lobby')).rooms, [{ room_id: 'new' }]);
  say({ type: 'lobby_changed', rooms: [], removed: ['new'] });
  assert.deepEqual((await next(items, 'lobby_changed')).removed, ['new']);
  peer.drop();
  peer = await server.peers.take('another connection');
  await peer.next();
  say(WELCOME);
  const third = await hear();
  assert.equal(third.near, '51.34,12.37');
  say({ type: 'error', id: third.id, code: 'too-many-areas', detail: 'why' });
  assert.equal((await next(items, 'lobby_refused')).code, 'too-many-areas');
  live.leaveLobby();
  live.followLobby({ zip_code: '04109' });
  const fourth = await hear();
  say({ type: 'lobby_subscribed', id: fourth.id });
  say({ type: 'lobby', rooms: [] });
  await next(items, 'lobby');
  live.leaveLobby();
  assert.equal((await hear()).type, 'unsubscribe_lobby');
});

test('typing is told once in a while, and only in followed rooms', async (context) => {
  const server = await ScriptedServer.start();
  context.after(() => server.stop());
  const { live } = client(context, server.url, { WebSocket, transport: 'websocket' });
  const items = live.items();
  live.subscribe(ROOM, 0);
  const peer = await server.peers.take('a connection');
  await peer.next();
  for (const frame of [WELCOME, subscribed(0, true)]) peer.send(JSON.stringify(frame));
  await next(items, 'subscribed');
  for (const room of [ROOM, 'b.2', ROOM, ROOM]) live.typing(room);
  live.unsubscribe(ROOM);
  const frames = [await peer.next(), await peer.next()];
  assert.deepEqual(frames, [{ type: 'typing', room_id: ROOM }, { type: 'unsubscribe', room_id: ROOM }]);
});

/** A WebSocket that cannot be paused, as that of browsers. */
class BrowserSocket extends WebSocket implements WebSocketLike {
  declare pause: () => void;

  constructor(url: string, protocol: string) {
    super(url, protocol);
    Object.defineProperty(this, 'pause', { value: undefined });
  }
}

test('an application that is too slow loses nothing where sockets cannot be paused', async (context) => {
  const server = await ScriptedServer.start();
  context.after(() => server.stop());
  const { live } = client(context, server.url, { WebSocket: BrowserSocket, transport: 'websocket', capacity: 2 });
  const items = live.items();
  live.subscribe(ROOM, 0);
  const peer = await server.peers.take('a connection');
  for (const frame of [WELCOME, subscribed(0, true)]) peer.send(JSON.stringify(frame));
  for (let v = 1; v <= 100; v += 1) peer.send(JSON.stringify(event(v)));
  await peer.untilGone();
  const first = [];
  for (;;) {
    const { value } = await items.next();
    if (value?.type === 'event') first.push(value.data.v);
    if (value?.type === 'disconnected') {
      assert.equal(value.data.reason.kind, 'overloaded');
      break;
    }
  }
  const again = await server.peers.take('another connection');
  const hello = (await again.next()) as { rooms: { v: number }[] };
  assert.equal(hello.rooms[0]?.v, first.length);
  assert.deepEqual(
    first,
    first.map((_, index) => index + 1),
  );
});

test('a loop over a room ends with the room', async (context) => {
  const server = await ScriptedServer.start();
  context.after(() => server.stop());
  const { live } = client(context, server.url, { WebSocket, transport: 'websocket' });
  const serving = server.peers.take('a connection').then((peer) => {
    const parted = { type: 'unsubscribed', room_id: ROOM, reason: 'closed' };
    for (const frame of [WELCOME, subscribed(0, true), event(1), parted]) peer.send(JSON.stringify(frame));
    return peer;
  });
  const seen = [];
  for await (const { v } of live.events(ROOM, 0)) seen.push(v);
  assert.deepEqual(seen, [1]);
  const peer = await serving;
  await peer.next();
  const refused = live.events('b.2').next();
  const { id } = (await peer.next()) as { id: number };
  peer.send(JSON.stringify({ type: 'error', id, room_id: 'b.2', code: 'kicked', detail: 'why' }));
  await assert.rejects(refused, (error) => error instanceof Refused && error.code === 'kicked');
});

test('a client that is online again connects at once, and checks an open connection', async (context) => {
  let awake: (what: 'network' | 'page') => void = () => {};
  let offline = true;
  const environment: Environment = {
    isOffline: () => offline,
    onAwake: (callback) => {
      awake = callback;
      return () => {};
    },
  };
  const server = await ScriptedServer.start();
  context.after(() => server.stop());
  const gone = await ScriptedServer.down();
  const options = { WebSocket, transport: 'websocket', environment, longestDelayMs: 60_000 } as const;
  const { live } = client(context, [gone.url, server.url], options);
  const items = live.items();
  live.connect();
  const accepting = server.peers.take('a connection');
  // The first attempt may be at either address.
  const lost = next(items, 'disconnected').then(() => {
    offline = false;
    setTimeout(() => awake('network'), 300);
  });
  const peer = await accepting;
  lost.catch(() => {});
  await peer.next();
  peer.send(JSON.stringify(WELCOME));
  await next(live.items(), 'connected').catch(() => {});
  awake('network');
  const probe = (await peer.next()) as { type: string };
  assert.equal(probe.type, 'auth');
});

test('the events of a browser become those of the environment', () => {
  const target = new EventTarget();
  const page = Object.assign(new EventTarget(), { visibilityState: 'hidden' });
  const environment = environmentOf({
    navigator: { onLine: false },
    document: page,
    addEventListener: target.addEventListener.bind(target),
    removeEventListener: target.removeEventListener.bind(target),
  });
  const seen: string[] = [];
  const stop = environment.onAwake((what) => seen.push(what));
  assert.equal(environment.isOffline(), true);
  page.dispatchEvent(new Event('visibilitychange'));
  page.visibilityState = 'visible';
  page.dispatchEvent(new Event('visibilitychange'));
  target.dispatchEvent(new Event('online'));
  stop();
  target.dispatchEvent(new Event('online'));
  assert.deepEqual(seen, ['page', 'network']);
});

test('a burst of requests is followed by a steady rate', () => {
  const limiter = new RateLimiter();
  let burst = 0;
  while (limiter.take(1000) === 0) burst += 1;
  assert.equal(burst, BURST);
  const wait = limiter.take(1000);
  assert.ok(wait > 0 && wait <= 64);
  assert.equal(limiter.take(1000 + wait), 0);
});
