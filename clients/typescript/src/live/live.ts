/** The live client: connects, reconnects, and delivers items. */

import { tokenSource, type TokenSource, type Tokens } from '../tokens.js';
import { withTimeout } from '../time.js';
import { Backoff } from './backoff.js';
import { Dispatcher, type Handler } from './dispatcher.js';
import { environmentOf, type Environment } from './environment.js';
import { openEventStream, type EventStreamRequests } from './event-stream.js';
import { Fetches } from './fetches.js';
import type { Item, ItemType, Loss, Page, RoomEvent, Stop } from './items.js';
import { Lobby, type LobbyArea } from './lobby.js';
import { Rooms } from './rooms.js';
import { Session, type Disconnect } from './session.js';
import { openWebSocket, type WebSocketConstructor } from './socket.js';
import { UserItems } from './user-items.js';

/** The age from which a connection counts as good and resets the backoff, in milliseconds. */
const STABLE_AFTER_MS = 5000;

/** The maximum number of tokens refused in a row before the client stops. */
const MAX_REFUSALS = 3;

/** The number of WebSockets in a row that a reachable service did not open before server-sent events are tried. */
const MAX_BLOCKED = 2;

/** The time for which server-sent events are preferred after WebSockets were blocked, in milliseconds. */
const BLOCKED_MS = 10 * 60 * 1000;

/** The number of waiting items, in capacities, at which a transport that cannot be paused is closed. */
const OVERLOAD = 16;

/** The options of a live client. */
export interface LiveOptions {
  /** The addresses of query-services, tried in turn. */
  urls: readonly string[];
  tokens: Tokens;
  /**
   * The transport. `auto` (default) uses WebSockets, and server-sent events where there are none or where they are
   * blocked.
   */
  transport?: 'auto' | 'websocket' | 'sse';
  /** The constructor of WebSockets. Default: that of the environment. Node 20 has none: pass the one of `ws`. */
  WebSocket?: WebSocketConstructor | undefined;
  /** The longest delay between two attempts to connect, in milliseconds. Default: 20,000. */
  longestDelayMs?: number;
  /** The timeout for connecting, the welcome and getting a token, in milliseconds. Default: 10,000. */
  timeLimitMs?: number;
  /** The number of items that may wait before the client stops reading. Default: 256. */
  capacity?: number;
  /** The cursor of an earlier client of the same user, to get the alarms since then. */
  cursor?: string;
  /** The requests of server-sent events. */
  requests: EventStreamRequests;
  /** The state of the network. Default: that of the browser. */
  environment?: Environment;
}

/** A followed room's starting point: after a version (0 for all events), or `now` for new events only. */
export type After = number | 'now';

interface Token {
  text: string;
  /** The refusal, if it was refused. */
  refused?: { code: number; reason: string };
}

/**
 * Follows rooms live and delivers each event once and in order across interruptions, and the user's alarms, memberships
 * and unread counts.
 */
export class Live {
  private readonly tokens: TokenSource;
  private readonly urls: string[];
  private readonly environment: Environment;
  private readonly dispatcher: Dispatcher;
  private readonly backoff: Backoff;
  private readonly capacity: number;
  private readonly timeLimitMs: number;
  private readonly shared: {
    rooms: Rooms;
    fetches: Fetches;
    lobby: Lobby;
    userItems: UserItems;
  };
  private session: Session | undefined;
  private started = false;
  private closed = false;
  private isPaused = false;
  private attempt: number;
  private token: Token | undefined;
  /** The number of tokens refused in a row. */
  private refusals = 0;
  /** The number of WebSockets in a row that a reachable service did not open. */
  private blocked = 0;
  private preferStreamUntil = 0;
  /** Ends the current delay. */
  private wake: (() => void) | undefined;
  private drained: (() => void) | undefined;
  private readonly stopListening: () => void;
  private readonly cursorHandlers = new Set<(cursor: string) => unknown>();

  constructor(private readonly options: LiveOptions) {
    this.urls = options.urls.map((url) => url.replace(/\/+$/, ''));
    if (this.urls.length === 0) throw new TypeError('a live client needs the address of a query-service');
    for (const url of this.urls) {
      if (!/^https?:\/\/[^/\s]+/.test(url)) throw new TypeError(`${url} is not an address like https://host:port`);
    }
    if (options.transport === 'websocket' && !this.webSocket()) {
      throw new TypeError('this environment has no WebSocket: pass the constructor of `ws`');
    }
    this.tokens = tokenSource(options.tokens);
    this.environment = options.environment ?? environmentOf();
    this.capacity = Math.max(options.capacity ?? 256, 1);
    this.timeLimitMs = options.timeLimitMs ?? 10_000;
    this.backoff = new Backoff(250, options.longestDelayMs ?? 20_000);
    this.dispatcher = new Dispatcher(this.capacity, () => this.onDelivered());
    this.attempt = Math.floor(Math.random() * this.urls.length);
    const userItems = new UserItems(options.cursor);
    this.shared = { rooms: new Rooms(), fetches: new Fetches(), lobby: new Lobby(), userItems };
    this.stopListening = this.environment.onAwake((what) => {
      this.wake?.();
      if (what === 'network') this.session?.probe();
    });
  }

  /**
   * The last cursor: everything up to it has been received. Pass it to a later client to get the alarms since then.
   * `onCursor` returns cursors up to which everything was also delivered.
   */
  get cursor(): string | undefined {
    return this.shared.userItems.cursor;
  }

  /**
   * Attaches a handler of cursors. It is called when all items before a cursor were delivered, with the last cursor of
   * several. Returns a function to remove it.
   */
  onCursor(handler: (cursor: string) => unknown): () => void {
    this.cursorHandlers.add(handler);
    return () => this.cursorHandlers.delete(handler);
  }

  /** Continues from the cursor of an earlier client of the same user. An open connection is replaced. */
  resume(cursor: string): void {
    if (cursor === this.cursor) return;
    this.shared.userItems.cursor = cursor;
    this.session?.end({ kind: 'broken', detail: 'continues from another cursor' });
  }

  /** Connects, if there is no connection yet. `subscribe`, `fetch` and `followLobby` do so too. */
  connect(): void {
    if (this.started || this.closed) return;
    this.started = true;
    void this.run();
  }

  /** Closes the connection for good. Handlers get nothing more, and iterators end. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.finish();
    this.dispatcher.close();
    this.session?.end({ kind: 'broken', detail: 'closed by the application' });
    this.wake?.();
    this.drained?.();
  }

  /** Attaches a handler. Nothing else is delivered while its promise is pending. Returns a function to remove it. */
  on<T extends ItemType>(type: T, handler: Handler<T>): () => void {
    return this.dispatcher.on(type, handler);
  }

  /**
   * Returns all items from now on. While as many items wait in the iterator as the capacity of the client, nothing else
   * is delivered, and the client reads nothing from the service.
   */
  items(): AsyncIterableIterator<Item> {
    return this.dispatcher.items();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Item> {
    return this.items();
  }

  /** Follows a room across interruptions until it is unsubscribed or ends. A followed room starts again. */
  subscribe(roomId: string, after: After = 'now'): void {
    this.shared.rooms.request(roomId, after === 'now' ? undefined : after);
    this.changed();
  }

  /** Stops following a room. `ended` is the last item of it. */
  unsubscribe(roomId: string): void {
    this.shared.rooms.leave(roomId);
    this.changed();
  }

  /** Follows a room and returns its events. Ends with the room; leaving the loop unsubscribes it. */
  async *events(roomId: string, after: After = 'now'): AsyncGenerator<RoomEvent, void, undefined> {
    const items = this.items();
    this.subscribe(roomId, after);
    try {
      for await (const item of items) {
        if (item.type === 'event' && item.data.room_id === roomId) yield item.data;
        if (item.type === 'ended' && item.data.room_id === roomId) {
          if (item.data.reason.kind === 'refused') throw new Refused(item.data.reason.code, item.data.reason.detail);
          return;
        }
        if (item.type === 'stopped') throw new Refused(item.data.kind, item.data.reason);
      }
    } finally {
      this.unsubscribe(roomId);
      await items.return?.();
    }
  }

  /**
   * Reads a page of a room's feed after a version, as soon as there is a connection. The room need not be followed, but
   * the user must be a member. Rejects with a `FetchError`.
   */
  fetch(roomId: string, afterV: number): Promise<Page> {
    const page = this.shared.fetches.request(roomId, afterV);
    this.changed();
    return page;
  }

  /** Tells a followed room that the user is typing. Call it at each key press. */
  typing(roomId: string): void {
    this.session?.typing(roomId);
  }

  /** Follows the open rooms of an area, in place of any earlier one. */
  followLobby(area: LobbyArea): void {
    this.shared.lobby.request(area);
    this.changed();
  }

  /** Stops following the open rooms of an area. */
  leaveLobby(): void {
    this.shared.lobby.request(undefined);
    this.changed();
  }

  private changed(): void {
    this.connect();
    this.session?.changed();
  }

  private async run(): Promise<void> {
    while (!this.closed) {
      const { loss, retryMs } = await this.connectOnce();
      if (this.closed) return;
      const stop = this.stopReason(loss);
      if (stop) {
        this.finish();
        this.dispatcher.push({ type: 'stopped', data: stop });
        return;
      }
      this.attempt += 1;
      const retryInMs = this.backoff.next(retryMs);
      this.dispatcher.push({ type: 'disconnected', data: { reason: loss, retry_in_ms: retryInMs } });
      if (loss.kind === 'overloaded') await this.untilDrained();
      await this.pause(retryInMs, retryMs);
    }
  }

  /** Waits before the next attempt. The network or the page can shorten the delay to that which the server asks for. */
  private async pause(ms: number, requestedMs: number): Promise<void> {
    if (requestedMs > 0) await this.delay(requestedMs, false);
    await this.delay(ms - requestedMs, true);
    // The browser can be wrong about the network: an attempt is made in the end.
    if (this.environment.isOffline()) await this.delay(this.options.longestDelayMs ?? 20_000, true);
  }

  private delay(ms: number, mayWake: boolean): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.wake = () => {
        if (mayWake || this.closed) done();
      };
      if (this.closed) done();
    });
  }

  private async connectOnce(): Promise<Disconnect> {
    const token = await this.nextToken();
    if (typeof token !== 'string') return token;
    if (this.closed) return { loss: { kind: 'broken', detail: 'closed' }, retryMs: 0 };
    const url = this.urls[this.attempt % this.urls.length] as string;
    const webSocket = this.webSocket();
    let welcomedAt: number | undefined;
    const disconnect = await new Promise<Disconnect>((onEnd) => {
      this.session = new Session({
        shared: this.shared,
        tokens: this.tokens,
        token,
        timeLimitMs: this.timeLimitMs,
        open: (handler) =>
          webSocket ? openWebSocket(webSocket, url, handler) : openEventStream(this.options.requests, url, handler),
        deliver: (item) => this.deliver(item),
        onCursor: (cursor) => this.onDeliveredCursor(cursor),
        onWelcome: () => {
          welcomedAt = Date.now();
          this.refusals = 0;
          this.blocked = 0;
          this.deliver({ type: 'connected', data: { url, transport: webSocket ? 'websocket' : 'sse' } });
        },
        onEnd,
      });
      if (this.isPaused) this.session.setPaused(true);
    });
    if (this.token && this.session) this.token.text = this.session.token;
    this.session = undefined;
    this.isPaused = false;
    if (welcomedAt !== undefined && Date.now() - welcomedAt >= STABLE_AFTER_MS) this.backoff.reset();
    if (disconnect.loss.kind === 'unreachable') {
      // A service that is down does not open WebSockets either.
      if (webSocket) this.blocked = (await this.isReachable(url)) ? this.blocked + 1 : 0;
      // Server-sent events do not help either.
      else this.preferStreamUntil = 0;
    }
    return disconnect;
  }

  /** Returns the constructor of the next WebSocket; undefined for server-sent events. */
  private webSocket(): WebSocketConstructor | undefined {
    const { transport = 'auto' } = this.options;
    if (transport === 'sse') return undefined;
    const constructor = this.options.WebSocket ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
    if (transport === 'websocket') return constructor;
    if (this.blocked >= MAX_BLOCKED) {
      this.blocked = 0;
      this.preferStreamUntil = Date.now() + BLOCKED_MS;
    }
    return Date.now() < this.preferStreamUntil ? undefined : constructor;
  }

  /** Returns true if the service at this address answers requests. */
  private async isReachable(url: string): Promise<boolean> {
    if (this.options.transport === 'websocket' || this.closed) return false;
    try {
      const checking = this.options.requests.fetch(`${url}/healthz`, { cache: 'no-store' });
      return (await withTimeout(checking, this.timeLimitMs, 'no answer in time')).status < 500;
    } catch {
      return false;
    }
  }

  /** Returns the last token if it was not refused, or a new one. */
  private async nextToken(): Promise<string | Disconnect> {
    if (this.token && !this.token.refused) return this.token.text;
    const old = this.token;
    let text: string;
    try {
      text = await withTimeout(this.tokens.token(old?.text), this.timeLimitMs, 'no token in time');
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      return { loss: { kind: 'no_token', detail }, retryMs: 0 };
    }
    if (old?.refused && old.text === text) return { loss: { kind: 'closed', ...old.refused }, retryMs: 0 };
    this.token = { text };
    return text;
  }

  /** Decides from a close code about reconnecting: marks a refused token, or returns the reason to stop. */
  private stopReason(loss: Loss): Stop | undefined {
    if (loss.kind !== 'closed') return undefined;
    const { code, reason } = loss;
    const group = Math.floor(code / 100);
    if (group === 43) return { kind: 'refused', code, reason };
    if (group !== 41 && group !== 42) return undefined;
    this.refusals += 1;
    // A token that is refused already has come from the source again.
    if (this.refusals > MAX_REFUSALS || this.token?.refused) return { kind: 'token_refused', code, reason };
    if (this.token) this.token.refused = { code, reason };
    return undefined;
  }

  private deliver(item: Item): void {
    this.dispatcher.push(item);
    if (this.isPaused || this.dispatcher.size <= this.capacity || !this.session) return;
    if (this.session.setPaused(true)) this.isPaused = true;
    else if (this.dispatcher.size > this.capacity * OVERLOAD) this.session.end({ kind: 'overloaded' });
  }

  private onDeliveredCursor(cursor: string): void {
    if (this.cursorHandlers.size === 0) return;
    this.dispatcher.mark(async () => {
      for (const handler of [...this.cursorHandlers]) await handler(cursor);
    });
  }

  private onDelivered(): void {
    if (this.dispatcher.size > this.capacity / 2) return;
    this.drained?.();
    if (!this.isPaused) return;
    this.isPaused = false;
    this.session?.setPaused(false);
  }

  private async untilDrained(): Promise<void> {
    if (this.dispatcher.size <= this.capacity / 2 || this.closed) return;
    await new Promise<void>((resolve) => {
      this.drained = resolve;
    });
    this.drained = undefined;
  }

  private finish(): void {
    this.stopListening();
    this.shared.fetches.end();
  }
}

/** A room is refused, or the client has stopped. */
export class Refused extends Error {
  override readonly name = 'Refused';

  constructor(
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}
