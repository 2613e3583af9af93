/**
 * The live protocol over server-sent events, for environments without WebSocket. The client's frames become new streams
 * and reads of feeds, so that the session need not know the difference.
 */

import type { Problem } from '../rest/problem.js';
import { decode, type ClientFrame, type Frame, type FrameId, type ServerFrame } from './frames.js';
import type { Loss, RoomEvent } from './items.js';
import { TEMPORARY } from './rooms.js';
import type { Socket, SocketHandler } from './socket.js';
import { EventParser } from './sse.js';

/** The delay before a changed set of rooms is requested, in milliseconds: several changes become one request. */
const REOPEN_MS = 50;

/** Frames about a connection and its requests. */
const CONTROL = ['welcome', 'subscribed', 'reset', 'error', 'bye', 'lobby_subscribed', 'lobby', 'lobby_changed'];

/** Reads a page of a room's feed with the token. Rejects with a problem if it is refused. */
export type ReadFeed = (
  url: string,
  token: string,
  roomId: string,
  afterV: number,
  signal: AbortSignal,
) => Promise<{ items: Omit<RoomEvent, 'room_id'>[]; head_v: number }>;

/** The requests that a stream makes. */
export interface EventStreamRequests {
  fetch: typeof fetch;
  readFeed: ReadFeed;
  readProblem: (response: Response) => Promise<Problem>;
}

/** A room that is to be followed. */
interface Wanted {
  id: FrameId | undefined;
  /** The version to begin after; undefined for new events only. */
  v: number | undefined;
}

/** Opens a stream of server-sent events at the service at this address. */
export function openEventStream(requests: EventStreamRequests, url: string, handler: SocketHandler): Socket {
  const socket = new EventStreamSocket(requests, url, handler);
  // The session expects to get the socket first.
  queueMicrotask(() => socket.start());
  return socket;
}

class EventStreamSocket implements Socket {
  private token = '';
  private cursor: string | undefined;
  private readonly rooms = new Set<string>();
  /** Rooms whose subscription is not confirmed yet. */
  private readonly wanted = new Map<string, Wanted>();
  private lobby: { id: FrameId | undefined; query: [string, string][] } | undefined;
  private auth: FrameId | undefined;
  private welcomed = false;
  private stream: AbortController | undefined;
  private reopening: ReturnType<typeof setTimeout> | undefined;
  private readonly ended = new AbortController();
  private resume: (() => void) | undefined;
  private paused: Promise<void> | undefined;

  constructor(
    private readonly requests: EventStreamRequests,
    private readonly url: string,
    private readonly handler: SocketHandler,
  ) {}

  start(): void {
    if (!this.ended.signal.aborted) this.handler.onOpen();
  }

  send(frame: ClientFrame): void {
    switch (frame.type) {
      case 'hello':
        this.token = frame.token;
        this.cursor = frame.cursor ?? undefined;
        for (const room of frame.rooms ?? []) this.want(room.room_id, { id: undefined, v: room.v ?? undefined });
        void this.open();
        break;
      case 'subscribe': {
        const wanted = { id: frame.id ?? undefined, v: frame.v ?? undefined };
        const isOpen = this.rooms.has(frame.room_id) && !this.wanted.has(frame.room_id);
        this.want(frame.room_id, wanted);
        if (isOpen && wanted.v !== undefined) void this.catchUp(frame.room_id, wanted, wanted.v);
        else this.reopen();
        break;
      }
      case 'unsubscribe':
        this.rooms.delete(frame.room_id);
        this.wanted.delete(frame.room_id);
        this.reopen();
        break;
      case 'fetch':
        void this.fetchPage(frame);
        break;
      case 'auth':
        this.token = frame.token;
        this.auth = frame.id ?? undefined;
        this.reopen();
        break;
      case 'subscribe_lobby': {
        const { zip_code, near, radius } = frame;
        const query: [string, string][] = [];
        if (zip_code != null) query.push(['lobby_zip_code', zip_code]);
        if (near != null) query.push(['lobby_near', near]);
        if (radius != null) query.push(['lobby_radius', String(radius)]);
        this.lobby = { id: frame.id ?? undefined, query };
        this.reopen();
        break;
      }
      case 'unsubscribe_lobby':
        this.lobby = undefined;
        this.reopen();
        break;
      // A stream has no pings to answer, and cannot tell that the user is typing.
      case 'pong':
      case 'typing':
        break;
    }
  }

  setPaused(paused: boolean): boolean {
    if (paused) {
      this.paused ??= new Promise((resolve) => {
        this.resume = resolve;
      });
    } else {
      this.resume?.();
      this.paused = this.resume = undefined;
    }
    return true;
  }

  close(): void {
    clearTimeout(this.reopening);
    this.ended.abort();
    this.stream?.abort();
    this.setPaused(false);
  }

  private want(roomId: string, wanted: Wanted): void {
    this.rooms.add(roomId);
    this.wanted.set(roomId, wanted);
  }

  private reopen(): void {
    this.reopening ??= setTimeout(() => {
      this.reopening = undefined;
      void this.open();
    }, REOPEN_MS);
  }

  /** Opens a stream in place of the current one, which continues until the new one has begun. */
  private async open(): Promise<void> {
    const stream = new AbortController();
    const previous = this.stream;
    this.stream = stream;
    try {
      const response = await this.request(stream.signal);
      if (!response.ok || !response.body) {
        const problem = await this.requests.readProblem(response);
        this.fail(lossOf(problem), problem.retryAfterMs);
        return;
      }
      await this.read(response.body, stream, previous);
      this.fail({ kind: 'broken', detail: 'the stream ended' }, 0, stream);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.fail(this.welcomed ? { kind: 'broken', detail } : { kind: 'unreachable', detail }, 0, stream);
    } finally {
      previous?.abort();
      stream.abort();
    }
  }

  private request(signal: AbortSignal): Promise<Response> {
    const query = new URLSearchParams(this.lobby?.query);
    if (this.rooms.size > 0) query.set('rooms', [...this.rooms].join(','));
    const headers: Record<string, string> = { accept: 'text/event-stream', authorization: `Bearer ${this.token}` };
    if (this.cursor !== undefined) headers['last-event-id'] = this.cursor;
    return this.requests.fetch(`${this.url}/events?${query}`, { headers, signal, cache: 'no-store' });
  }

  private async read(
    body: ReadableStream<Uint8Array>,
    stream: AbortController,
    previous: AbortController | undefined,
  ): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventParser();
    let resumed: Record<string, number> = {};
    for (;;) {
      await this.paused;
      const { done, value } = await reader.read();
      if (done || stream.signal.aborted) return;
      this.handler.onAlive();
      for (const { id, data } of parser.push(decoder.decode(value, { stream: true }))) {
        const frame = data === undefined ? undefined : decode(data);
        if (data !== undefined && !frame) {
          this.fail({ kind: 'protocol_violation', detail: 'an event is not a frame' }, 0, stream);
          return;
        }
        if (frame && 'other' in frame && frame.other.type === 'welcome') {
          previous?.abort();
          resumed = frame.other.resumed;
        }
        // The id of an event covers the event.
        if (frame) this.onFrame(frame, resumed, stream);
        if (stream.signal.aborted) return;
        if (id === undefined) continue;
        this.cursor = id;
        this.handler.onCursor(id);
      }
    }
  }

  private onFrame(frame: Frame, resumed: Record<string, number>, stream: AbortController): void {
    if ('event' in frame) return this.handler.onFrame(frame);
    const { other } = frame;
    // A stream that is being replaced does not decide about the connection.
    if (this.stream !== stream && CONTROL.includes(other.type)) return;
    if (other.type === 'welcome') this.onWelcome(other);
    else if (other.type === 'subscribed') this.onSubscribed(other, resumed[other.room_id] ?? other.head_v);
    else if (other.type === 'error' && other.room_id) this.onRefused(other, other.room_id);
    else if (other.type === 'lobby_subscribed' || (other.type === 'error' && other.code === 'too-many-areas')) {
      this.handler.onFrame({ other: withId(other, this.lobby?.id) });
    } else {
      if (other.type === 'unsubscribed') this.rooms.delete(other.room_id);
      this.handler.onFrame(frame);
    }
  }

  private onWelcome(frame: ServerFrame & { type: 'welcome' }): void {
    if (!this.welcomed) {
      this.welcomed = true;
      this.handler.onFrame({ other: frame });
    } else if (this.auth !== undefined) {
      const { expires_in_ms } = frame;
      const expires_at = new Date(Date.now() + expires_in_ms).toISOString();
      const id = this.auth;
      this.auth = undefined;
      this.handler.onFrame({ other: { type: 'authorized', id, expires_at, expires_in_ms } });
    }
  }

  /** Confirms a room that begins after `startV`, once the versions before it are read. */
  private onSubscribed(frame: ServerFrame & { type: 'subscribed' }, startV: number): void {
    const wanted = this.wanted.get(frame.room_id);
    // The room was followed before the stream was opened again.
    if (!wanted) return;
    const { v, id } = wanted;
    if (v !== undefined && v < startV) return void this.catchUp(frame.room_id, wanted, v);
    this.wanted.delete(frame.room_id);
    if (v !== undefined && v > frame.head_v) {
      const { room_id, head_v } = frame;
      this.handler.onFrame({ other: { type: 'reset', room_id, reason: 'unknown-version', head_v } });
    }
    this.handler.onFrame({ other: withId(frame, id) });
  }

  private onRefused(frame: ServerFrame & { type: 'error' }, roomId: string): void {
    const wanted = this.wanted.get(roomId);
    this.wanted.delete(roomId);
    this.rooms.delete(roomId);
    if (wanted) return this.handler.onFrame({ other: withId(frame, wanted.id) });
    // The room was followed before the stream was opened again.
    if (TEMPORARY.includes(frame.code)) return this.fail({ kind: 'broken', detail: frame.detail }, 0);
    const unsubscribed = { type: 'unsubscribed', room_id: roomId, reason: frame.code } as ServerFrame;
    this.handler.onFrame({ other: unsubscribed });
  }

  /** Reads the events after a version, and confirms the room with the last of them. */
  private async catchUp(roomId: string, wanted: Wanted, afterV: number): Promise<void> {
    let v = afterV;
    const isWanted = () => this.wanted.get(roomId) === wanted && !this.ended.signal.aborted;
    try {
      for (;;) {
        const { items, head_v } = await this.readFeed(roomId, v);
        if (!isWanted()) return;
        for (const event of items) this.handler.onFrame({ event: { room_id: roomId, ...event } });
        v = items.at(-1)?.v ?? v;
        // An event that is pushed while a page is read follows the page, or is in the next one.
        if (items.length > 0) continue;
        this.wanted.delete(roomId);
        const frame = { type: 'subscribed' as const, room_id: roomId, head_v, recovered: true };
        return this.handler.onFrame({ other: withId(frame, wanted.id) });
      }
    } catch (error) {
      if (isWanted()) this.onRefused(refusal(roomId, error), roomId);
    }
  }

  private async fetchPage(frame: ClientFrame & { type: 'fetch' }): Promise<void> {
    const { room_id, after_v, id } = frame;
    let answer: ServerFrame;
    try {
      const { items, head_v } = await this.readFeed(room_id, after_v);
      if (this.ended.signal.aborted) return;
      for (const event of items) this.handler.onFrame({ event: { room_id, ...event } });
      answer = { type: 'fetched', room_id, to_v: items.at(-1)?.v ?? after_v, head_v };
    } catch (error) {
      if (this.ended.signal.aborted) return;
      answer = refusal(room_id, error);
    }
    this.handler.onFrame({ other: withId(answer, id ?? undefined) });
  }

  private readFeed(roomId: string, afterV: number) {
    return this.requests.readFeed(this.url, this.token, roomId, afterV, this.ended.signal);
  }

  /** Ends the connection, unless another stream has replaced the one that has ended. */
  private fail(loss: Loss, retryMs: number, stream?: AbortController): void {
    if (this.ended.signal.aborted || (stream && stream !== this.stream)) return;
    this.close();
    this.handler.onClose(loss, retryMs);
  }
}

function withId<F extends ServerFrame>(frame: F, id: FrameId | undefined): F {
  return id === undefined ? frame : { ...frame, id };
}

function refusal(roomId: string, error: unknown): ServerFrame & { type: 'error' } {
  const problem = error as Partial<Problem>;
  // Network failures are temporary.
  const code =
    problem.status !== undefined && problem.status < 500 && problem.status !== 429 ? problem.code : undefined;
  return { type: 'error', room_id: roomId, code: code ?? 'internal', detail: String(problem.message ?? error) };
}

/** Returns the close code that a WebSocket would have had. */
function lossOf(problem: Problem): Loss {
  const codes: Record<string, number> = {
    'expired-token': 4200,
    'invalid-token': 4201,
    'missing-token': 4201,
    'revoked-token': 4202,
    'too-many-connections': 4004,
    'rate-limited': 4005,
    'invalid-query': 4300,
    forbidden: 4303,
  };
  const code = codes[problem.code] ?? 4003;
  return { kind: 'closed', code, reason: problem.code };
}
