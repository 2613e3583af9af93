/** A service in memory with one room: answers requests, and sends frames to one live connection. */

import type { WebSocketLike } from '@boxroom/client';

const AT = '2026-11-30T12:00:00.000Z';
const ROOM = 'locker-7.1';

/** The service. */
export class Service {
  readonly requests: string[] = [];
  /** Answers of posts, in turn; `lost` breaks the connection after the message was stored, `down` before. */
  posts: ('ok' | 'lost' | 'down' | 'refused' | 'replayed')[] = [];
  messages: { id: number; author: string; body: string }[] = [];
  v = 10;
  /** The events that the feed returns. */
  feed: object[] = [];
  private socket: WebSocketLike | undefined;

  readonly fetch: typeof fetch = async (input, init) => {
    const url = new URL(String(input));
    const method = init?.method ?? 'GET';
    this.requests.push(`${method} ${url.pathname}${url.search}`);
    const body = init?.body ? (JSON.parse(String(init.body)) as Record<string, string>) : {};
    const key = new Headers(init?.headers).get('idempotency-key') ?? '';
    return this.answer(method, url, body, key);
  };

  /** The constructor of the one live connection. */
  readonly WebSocket = (() => {
    const service = this;
    return class implements WebSocketLike {
      onopen: WebSocketLike['onopen'] = null;
      onmessage: WebSocketLike['onmessage'] = null;
      onclose: WebSocketLike['onclose'] = null;
      onerror: WebSocketLike['onerror'] = null;
      constructor() {
        service.socket = this;
        setTimeout(() => this.onopen?.({}));
      }
      send(data: string) {
        service.onFrame(JSON.parse(data) as { type: string; id?: number; v?: number; rooms?: { v?: number }[] });
      }
      close() {}
    };
  })();

  /** Sends a frame. */
  push(frame: object): void {
    this.socket?.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** Sends the next event of the room. */
  event(type: string, data: object, more: object = {}): void {
    this.v += 1;
    this.push({ room_id: ROOM, v: this.v, type, at: AT, by: 'ben', data, ...more });
  }

  /** Sends the event of a new message. */
  posted(id: number, author: string, body: string, more: object = {}): void {
    this.messages.push({ id, author, body });
    const data = {
      message_id: String(id),
      author,
      body,
      erased: false,
      reply_to: null,
      mentions: [],
      mentions_all: false,
    };
    this.event('message_posted', data, { by: author, ...more });
  }

  /** Breaks the connection. */
  drop(): void {
    this.socket?.onclose?.({ code: 1006, reason: '' });
  }

  private onFrame(frame: { type: string; id?: number; v?: number; rooms?: { v?: number }[] }): void {
    const reply = (answer: object) => setTimeout(() => this.push(answer));
    if (frame.type === 'hello') {
      const resumed = frame.rooms?.[0]?.v;
      reply({
        type: 'welcome',
        session: 's',
        heartbeat_ms: 25_000,
        expires_in_ms: 900_000,
        resumed: resumed === undefined ? {} : { [ROOM]: resumed },
      });
      if (resumed !== undefined) reply({ type: 'subscribed', room_id: ROOM, head_v: this.v, recovered: true });
    } else if (frame.type === 'subscribe') {
      reply({ type: 'subscribed', id: frame.id, room_id: ROOM, head_v: this.v, recovered: true });
    }
  }

  private answer(method: string, url: URL, body: Record<string, string>, key: string): Response {
    const path = url.pathname;
    const query = url.searchParams;
    if (method === 'POST' && path === `/rooms/${ROOM}/messages`) {
      const next = this.posts.shift() ?? 'ok';
      if (next === 'refused') {
        const problem = { code: 'muted', title: '', detail: '', status: 403 };
        const headers = { 'content-type': 'application/problem+json' };
        return new Response(JSON.stringify(problem), { status: 403, headers });
      }
      if (next === 'down') throw new TypeError('fetch failed');
      if (next === 'replayed') {
        return Response.json({ id: '1' }, { status: 201, headers: { 'idempotent-replay': 'true' } });
      }
      const id = 1000 + this.messages.length;
      if (!this.messages.some((message) => message.body === body['body'])) {
        setTimeout(() => this.posted(id, 'ana', body['body'] ?? '', { command_id: key }), 20);
      }
      if (next === 'lost') throw new TypeError('fetch failed');
      return Response.json({ id: String(id) }, { status: 201 });
    }
    if (method !== 'GET') return new Response(null, { status: 204 });
    if (path === `/rooms/${ROOM}`) return Response.json(this.card());
    if (path === `/rooms/${ROOM}/members`) {
      const member = (user_id: string) => ({
        user_id,
        nickname: user_id,
        joined_at: AT,
        host: user_id === 'ana',
        co_host: false,
      });
      return Response.json({ items: [member('ana'), member('ben')], next: null });
    }
    if (path === `/rooms/${ROOM}/events`) {
      const after = Number(query.get('after_v'));
      const items = (this.feed as { v: number }[]).filter(({ v }) => v > after);
      return Response.json({ items, next: null, head_v: this.v });
    }
    if (path === `/rooms/${ROOM}/messages`) return Response.json(this.page(query));
    if (path === '/users') return Response.json({ items: [] });
    if (path === '/me/rooms') {
      const room = { ...this.card(), unread: 3, muted: false, read_up_to: null, last_message: null };
      return Response.json({ items: [room], next: null });
    }
    if (path === '/me/alarms') return Response.json({ items: [], next: null, unread: 0, up_to: 'first' });
    return new Response('{}', { status: 404 });
  }

  private page(query: URLSearchParams) {
    const limit = Number(query.get('limit'));
    const view = ({ id, author, body }: (typeof this.messages)[number]) => ({
      message_id: String(id),
      room_id: ROOM,
      author,
      body,
      deleted: false,
      erased: false,
      mentions: [],
      mentions_all: false,
      posted_at: AT,
      reactions: {},
      reply_to: null,
    });
    const before = Number(query.get('before') ?? query.get('around') ?? Infinity) + (query.has('around') ? 2 : 0);
    const after = Number(query.get('after') ?? 0);
    const found = this.messages.filter(({ id }) => id < before && id > after);
    const shown = query.has('after') ? found.slice(0, limit) : found.slice(-limit);
    return { items: shown.map(view).reverse(), next: shown.length < found.length ? 'more' : null };
  }

  private card() {
    return {
      room_id: ROOM,
      box_id: 'locker-7',
      store_id: 'noodles',
      title: 'Lunch',
      title_erased: false,
      status: 'open',
      host: 'ana',
      member_count: 2,
      max_members: 4,
      locked: false,
      step: 'gathering',
      opened_at: AT,
      closes_at: AT,
      v: this.v,
      slow_mode_seconds: 0,
      pinned: [],
    };
  }
}

/** The id of the room. */
export const ROOM_ID = ROOM;
