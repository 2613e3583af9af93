/** A service with one room, and its events. */

import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { Boxroom, type RoomEvent } from '../../src/index.js';
import {
  indexedDatabase,
  memoryDatabase,
  RoomStore,
  withoutTexts,
  type Database,
  type StoredRoom,
} from '../../src/store/index.js';
import { sleep } from '../../src/time.js';
import { BREAK, HttpServer, ok, type Received, type Reply } from './http-server.js';
import { PATIENCE_MS } from './scripted-server.js';

export const ROOM = 'b.1';
export const AT = '2026-01-02T03:04:05.678Z';

export const event = (v: number, type: string, data: object, by: string | null = 'ana'): RoomEvent => ({
  room_id: ROOM,
  v,
  type,
  at: AT,
  by,
  data,
});
export const posted = (v: number, body: string | null, author = 'ana') => {
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
export const opened = event(1, 'room_opened', {
  title: 'Lunch',
  title_erased: false,
  host: 'ana',
  store_id: 's',
  max_members: 4,
  locked: false,
  opened_at: AT,
  closes_at: AT,
});

export const databases: Record<string, (name: string) => Promise<Database>> = {
  memory: async () => memoryDatabase(),
  IndexedDB: (name) => indexedDatabase(name),
};

/** A service with one room. Posts get the next answer of a list, and are stored if it is none. */
export class Service {
  readonly feed: RoomEvent[] = [];
  readonly keys: string[] = [];
  /** The bodies of stored posts. */
  readonly bodies: object[] = [];
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
      const sent = JSON.parse(request.body);
      this.bodies.push(sent);
      this.add({ ...posted(this.feed.length + 1, sent.body), command_id: key });
    }
    (answer === 'lose' ? BREAK : ok(201, { id: String(this.feed.length) }))(response, request);
  }
}

/** A client of the service. */
export function clientOf(context: TestContext, service: Service): Boxroom {
  const { url } = service.http;
  const client = new Boxroom({
    commandUrl: url,
    queryUrl: url,
    tokens: 'a token',
    live: { transport: 'sse', longestDelayMs: 200 },
  });
  context.after(() => client.close());
  return client;
}

/** A store of a client of the service. */
export function storeOf(context: TestContext, service: Service, database: Database): RoomStore {
  return new RoomStore(clientOf(context, service), database);
}

/** Waits until a condition holds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const start = Date.now();
  while (!(await condition())) {
    assert.ok(Date.now() - start < PATIENCE_MS, 'the condition is not met');
    await sleep(10);
  }
}

/** The texts of a room. */
export const bodies = (room: StoredRoom) => room.messages.map(({ body }) => body);

/** All stored events of the room as text. */
export const stored = async (database: Database) => JSON.stringify(await database.events(ROOM, 1000));
