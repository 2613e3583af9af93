/** Scripted query-services: they send what a test asks for, in any order. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';

/** The timeout of every step, in milliseconds. */
export const PATIENCE_MS = 10_000;

/** A queue with a consumer that waits. */
export class Mailbox<T> {
  private readonly values: T[] = [];
  private readonly takers = new Set<(value: T) => void>();

  put(value: T): void {
    const taker = this.takers.values().next();
    if (taker.done) this.values.push(value);
    else taker.value(value);
  }

  /** Takes the next value. */
  take(what: string): Promise<T> {
    return Mailbox.takeAny([this], what).then(({ value }) => value);
  }

  /** Takes the first value of any of these mailboxes. */
  static takeAny<T>(boxes: Mailbox<T>[], what: string): Promise<{ value: T; index: number }> {
    const index = boxes.findIndex((box) => box.values.length > 0);
    const box = boxes[index];
    if (box) return Promise.resolve({ value: box.values.shift() as T, index });
    return new Promise((resolve, reject) => {
      const takers = boxes.map((_, index) => (value: T) => {
        stop();
        resolve({ value, index });
      });
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`${what}: nothing arrives`));
      }, PATIENCE_MS);
      const stop = () => {
        clearTimeout(timer);
        boxes.forEach((box, index) => box.takers.delete(takers[index] as (value: T) => void));
      };
      boxes.forEach((box, index) => box.takers.add(takers[index] as (value: T) => void));
    });
  }
}

/** The server side of a connection with a client. */
export class Peer {
  private readonly frames = new Mailbox<unknown>();
  private readonly closed: Promise<unknown>;

  constructor(private readonly socket: WebSocket) {
    socket.on('message', (data) => this.frames.put(JSON.parse(String(data))));
    socket.on('error', () => {});
    this.closed = once(socket, 'close');
  }

  /** Sends a text. */
  send(text: string): void {
    this.socket.send(text);
  }

  /** Returns the next frame of the client. */
  next(): Promise<unknown> {
    return this.frames.take('a frame of the client');
  }

  close(code: number, reason: string): void {
    this.socket.close(code, reason);
  }

  /** Breaks the connection. */
  drop(): void {
    this.socket.terminate();
  }

  /** Waits until the client has closed the connection. */
  async untilGone(): Promise<void> {
    const timer = setTimeout(() => assert.fail('the client is still connected'), PATIENCE_MS);
    await this.closed;
    clearTimeout(timer);
  }
}

/** A listener for clients. */
export class ScriptedServer {
  readonly peers = new Mailbox<Peer>();

  private constructor(
    readonly url: string,
    private readonly server: WebSocketServer | undefined,
  ) {
    server?.on('connection', (socket) => {
      assert.equal(socket.protocol, 'boxroom.v1');
      this.peers.put(new Peer(socket));
    });
  }

  static async start(): Promise<ScriptedServer> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/live' });
    await once(server, 'listening');
    return new ScriptedServer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, server);
  }

  /** An address without a listener. */
  static async down(): Promise<ScriptedServer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    return new ScriptedServer(`http://127.0.0.1:${port}`, undefined);
  }

  stop(): void {
    for (const socket of this.server?.clients ?? []) socket.terminate();
    this.server?.close();
  }
}
