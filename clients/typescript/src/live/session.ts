/** One connection, from hello to close. */

import type { TokenSource } from '../tokens.js';
import type { Fetches } from './fetches.js';
import type { ClientFrame, Frame, ServerFrame } from './frames.js';
import type { Item, Loss, RoomEvent } from './items.js';
import type { Lobby } from './lobby.js';
import { RateLimiter } from './rate-limiter.js';
import { ProtocolViolation, type Rooms } from './rooms.js';
import type { Socket, SocketHandler } from './socket.js';
import type { UserItems } from './user-items.js';
import { withTimeout } from '../time.js';

/** The id of requests that send a new token. Other ids are greater, or texts. */
const AUTH_ID = 0;

/** The delay before a temporarily refused room is requested again, in milliseconds. */
const RETRY_MS = 1000;

/** The minimum time between two requests for a token, in milliseconds. */
const MIN_RENEWAL_MS = 500;

/** The time for the answer to a probe, in milliseconds. */
const PROBE_MS = 5000;

/** The time in which a typing user is reported once, in milliseconds. */
const TYPING_MS = 2000;

/** The longest time of a timer, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The state that outlives connections. */
export interface Shared {
  rooms: Rooms;
  fetches: Fetches;
  lobby: Lobby;
  userItems: UserItems;
}

/** The end of a connection. */
export interface Disconnect {
  loss: Loss;
  /** The delay that the server asks for. */
  retryMs: number;
}

/** The surroundings of a session. */
export interface SessionOptions {
  shared: Shared;
  tokens: TokenSource;
  token: string;
  timeLimitMs: number;
  open: (handler: SocketHandler) => Socket;
  deliver: (item: Item) => void;
  /** Called with each cursor, after the items that it covers. */
  onCursor: (cursor: string) => void;
  onWelcome: () => void;
  onEnd: (disconnect: Disconnect) => void;
}

/** A connection. */
export class Session implements SocketHandler {
  /** The last token that the service has accepted. */
  token: string;
  private socket: Socket | undefined;
  private state: 'opening' | 'open' | 'ended' = 'opening';
  private readonly limiter = new RateLimiter();
  private readonly typed = new Map<string, number>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private timerAt = Infinity;
  private heartbeatMs = 0;
  private isConnected = false;
  /** True after the first frame that follows the welcome. */
  private isResumed = false;
  /** The last cursor before that frame. */
  private firstCursor: string | undefined;
  private isPaused = false;
  private flushing = false;
  /** A token that was sent and is not accepted yet. */
  private sentToken: string | undefined;
  /** Times of the next actions; infinite if there is none. */
  private silentAt = Infinity;
  private retryAt = Infinity;
  private continueAt = Infinity;
  private renewAt = Infinity;
  private probeEndsAt = Infinity;

  constructor(private readonly options: SessionOptions) {
    this.token = options.token;
    this.expectWithin(options.timeLimitMs);
    try {
      this.socket = options.open(this);
    } catch (error) {
      queueMicrotask(() => this.onClose({ kind: 'unreachable', detail: String(error) }));
    }
  }

  /** Sends requests that have been added. */
  changed(): void {
    if (this.state !== 'open' || this.flushing) return;
    this.flushing = true;
    // Several changes in one task are sent together.
    queueMicrotask(() => {
      this.flushing = false;
      this.sendPending();
    });
  }

  /** Stops or resumes reading. Returns false if the transport cannot stop. */
  setPaused(paused: boolean): boolean {
    if (this.state === 'ended' || !this.socket) return true;
    if (!this.socket.setPaused(paused)) return false;
    this.isPaused = paused;
    // While nothing is read, silence means nothing.
    if (!paused) this.onAlive();
    else this.schedule();
    return true;
  }

  /** Tells a followed room that the user is typing. Lost if it was told a moment ago. */
  typing(roomId: string): void {
    if (this.state !== 'open' || !this.options.shared.rooms.isFollowing(roomId)) return;
    const now = Date.now();
    const last = this.typed.get(roomId) ?? 0;
    if (now - last < TYPING_MS || this.limiter.take(now) > 0) return;
    this.typed.set(roomId, now);
    this.send({ type: 'typing', room_id: roomId });
  }

  /** Checks that the service still answers, after a change of the network. */
  probe(): void {
    if (this.state !== 'open' || this.isPaused || this.limiter.take() > 0) return;
    this.probeEndsAt = Date.now() + PROBE_MS;
    this.send({ type: 'auth', id: AUTH_ID, token: this.sentToken ?? this.token });
    this.schedule();
  }

  /** Ends the connection. */
  end(loss: Loss, retryMs = 0): void {
    if (this.state === 'ended') return;
    this.socket?.close();
    this.onClose(loss, retryMs);
  }

  onOpen(): void {
    const { shared, timeLimitMs } = this.options;
    this.isConnected = true;
    this.expectWithin(timeLimitMs);
    shared.fetches.requeue();
    shared.lobby.restart();
    const { cursor } = shared.userItems;
    const rooms = shared.rooms.hello();
    this.send({ type: 'hello', token: this.token, ...(cursor === undefined ? {} : { cursor }), rooms });
  }

  onClose(loss: Loss, retryMs = 0): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    clearTimeout(this.timer);
    this.options.onEnd({ loss, retryMs });
  }

  onAlive(): void {
    if (this.state !== 'open') return;
    this.probeEndsAt = Infinity;
    this.expectWithin(this.heartbeatMs * 2);
  }

  onCursor(cursor: string | null | undefined): void {
    if (this.state === 'ended' || cursor == null) return;
    this.options.shared.userItems.setCursor(cursor);
    // The cursor of the beginning does not cover a reset, which follows the welcome at once.
    if (this.isResumed) this.options.onCursor(cursor);
    else this.firstCursor = cursor;
  }

  onFrame(frame: Frame): void {
    if (this.state === 'ended') return;
    this.onAlive();
    const resumes = this.state === 'open' && !this.isResumed;
    try {
      const item = 'event' in frame ? this.onEvent(frame) : this.onOther(frame.other);
      if (item) this.options.deliver(item);
      if (resumes) this.onResumed();
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      this.end({ kind: 'protocol_violation', detail: error.message });
    }
    if (this.state === 'open') this.sendPending();
  }

  private onResumed(): void {
    this.isResumed = true;
    if (this.firstCursor !== undefined) this.options.onCursor(this.firstCursor);
  }

  private onEvent(frame: Extract<Frame, { event: RoomEvent }>): Item | undefined {
    const { fetches, rooms } = this.options.shared;
    // A page may come from any part of the feed, so that it is no gap.
    if (fetches.collect(frame.event) && !rooms.isNext(frame.event)) return undefined;
    return rooms.onFrame(frame);
  }

  private onOther(frame: ServerFrame): Item | undefined {
    const { rooms, fetches, lobby, userItems } = this.options.shared;
    switch (frame.type) {
      case 'welcome':
        this.onWelcome(frame);
        return undefined;
      case 'bye':
        this.onCursor(frame.cursor);
        this.end({ kind: 'closed', code: frame.code, reason: frame.reason }, frame.retry_ms ?? 0);
        return undefined;
      case 'ping':
        this.onCursor(frame.cursor);
        this.send({ type: 'pong' });
        return rooms.onFrame({ other: frame });
      case 'authorized':
        if (frame.id === AUTH_ID) this.onAuthorized(frame.expires_in_ms);
        return undefined;
      case 'fetched':
        fetches.onFrame(frame);
        return undefined;
      case 'error':
        fetches.onFrame(frame);
        return lobby.onFrame(frame) ?? rooms.onFrame({ other: frame });
      case 'lobby_subscribed':
      case 'lobby':
      case 'lobby_changed':
        return lobby.onFrame(frame);
      case 'subscribed':
      case 'unsubscribed':
        return rooms.onFrame({ other: frame });
      case 'reset':
        return frame.room_id ? rooms.onFrame({ other: frame }) : userItems.onFrame(frame);
      default:
        return userItems.onFrame(frame);
    }
  }

  private onWelcome(frame: ServerFrame & { type: 'welcome' }): void {
    if (this.state !== 'opening') return;
    this.state = 'open';
    this.onCursor(frame.cursor);
    this.heartbeatMs = Math.max(frame.heartbeat_ms, 1);
    this.renewAt = renewalOf(frame.expires_in_ms);
    this.onAlive();
    this.options.onWelcome();
  }

  private onAuthorized(expiresInMs: number | null | undefined): void {
    this.token = this.sentToken ?? this.token;
    this.sentToken = undefined;
    this.renewAt = renewalOf(expiresInMs);
    this.schedule();
  }

  /** Sends pending requests, as far as the rate limit allows. */
  private sendPending(): void {
    if (this.state !== 'open') return;
    const { rooms, fetches, lobby } = this.options.shared;
    this.continueAt = Infinity;
    while (rooms.isChanged() || fetches.anyWanted() || lobby.anyWanted()) {
      const waitMs = this.limiter.take();
      if (waitMs > 0) {
        this.continueAt = Date.now() + waitMs;
        break;
      }
      if (rooms.isChanged()) {
        const change = rooms.nextChange();
        if (change && 'subscribe' in change) this.send(change.subscribe);
        if (change && 'end' in change) {
          this.send({ type: 'unsubscribe', room_id: change.end });
          this.options.deliver({ type: 'ended', data: { room_id: change.end, reason: { kind: 'requested' } } });
        }
      } else {
        const frame = lobby.anyWanted() ? lobby.nextFrame() : fetches.nextFrame();
        if (frame) this.send(frame);
      }
    }
    if (this.retryAt === Infinity && rooms.anyPostponed()) this.retryAt = Date.now() + RETRY_MS;
    this.schedule();
  }

  private send(frame: ClientFrame): void {
    try {
      this.socket?.send(frame);
    } catch {
      // The reason for the close comes with the close event.
    }
  }

  private expectWithin(ms: number): void {
    this.silentAt = Date.now() + ms;
    this.schedule();
  }

  private schedule(): void {
    if (this.state === 'ended') return;
    const silentAt = this.isPaused ? Infinity : Math.min(this.silentAt, this.probeEndsAt);
    const at = Math.min(silentAt, this.retryAt, this.continueAt, this.renewAt);
    // A timer that is early schedules the next one: most frames only move the time of silence.
    if (at >= this.timerAt) return;
    clearTimeout(this.timer);
    this.timerAt = at;
    this.timer = setTimeout(() => this.onTimer(), Math.min(Math.max(at - Date.now(), 0), MAX_TIMER_MS));
  }

  private onTimer(): void {
    this.timerAt = Infinity;
    const now = Date.now();
    if (!this.isPaused && now >= Math.min(this.silentAt, this.probeEndsAt)) {
      this.end(this.isConnected ? { kind: 'silent' } : { kind: 'unreachable', detail: 'no answer in time' });
      return;
    }
    if (now >= this.retryAt) {
      this.retryAt = Infinity;
      this.options.shared.rooms.retry();
    }
    if (now >= this.renewAt) {
      this.renewAt = Infinity;
      void this.renew();
    }
    if (this.state === 'open') this.sendPending();
    else this.schedule();
  }

  /** Gets a newer token and sends it. */
  private async renew(): Promise<void> {
    const { tokens, timeLimitMs } = this.options;
    try {
      const renewing = tokens.renew ? tokens.renew(this.token) : tokens.token(this.token);
      const token = await withTimeout(renewing, timeLimitMs, 'no token in time');
      // Without another token the connection ends with this one.
      if (this.state !== 'open' || token === this.token) return;
      this.sentToken = token;
      this.send({ type: 'auth', id: AUTH_ID, token });
    } catch {
      this.renewAt = Date.now() + timeLimitMs;
      this.schedule();
    }
  }
}

/** Returns the time to renew a token: after three quarters of its lifetime. */
function renewalOf(expiresInMs: number | null | undefined): number {
  return expiresInMs == null ? Infinity : Date.now() + Math.max((expiresInMs * 3) / 4, MIN_RENEWAL_MS);
}
