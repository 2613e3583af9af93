/** The connection to a query-service as the session sees it, and its form over a WebSocket. */

import { decode, type ClientFrame, type Frame } from './frames.js';
import type { Loss } from './items.js';

/** The subprotocol. */
const PROTOCOL = 'boxroom.v1';

/** The timeout for closing a connection, in milliseconds. */
const CLOSE_TIMEOUT_MS = 1000;

/** A connection. */
export interface Socket {
  /** Sends a frame. */
  send(frame: ClientFrame): void;
  /** Stops or resumes reading. Returns false if the transport cannot stop. */
  setPaused(paused: boolean): boolean;
  /** Closes the connection. The handler gets nothing more. */
  close(): void;
}

/** The receiver of a connection's frames. */
export interface SocketHandler {
  /** The connection is open: frames may be sent. */
  onOpen(): void;
  onFrame(frame: Frame): void;
  /** Data other than a frame has arrived: the connection is alive. */
  onAlive(): void;
  /** The service has sent a cursor outside of a frame. */
  onCursor(cursor: string): void;
  /** The connection has ended, or could not be opened. Called once, as the last method. */
  onClose(loss: Loss, retryMs?: number): void;
}

/** The part of the WebSocket interface that the client uses. That of browsers, and that of the package `ws`. */
export interface WebSocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

/** A constructor of WebSockets. */
export type WebSocketConstructor = new (url: string, protocol: string) => WebSocketLike;

/** Methods that the package `ws` adds. */
interface NodeMethods {
  pause?(): void;
  resume?(): void;
  terminate?(): void;
}

/** Opens a WebSocket to the service at this address. */
export function openWebSocket(constructor: WebSocketConstructor, url: string, handler: SocketHandler): Socket {
  const socket = new constructor(`${url.replace(/^http/, 'ws')}/live`, PROTOCOL) as WebSocketLike & NodeMethods;
  let opened = false;
  let detail = '';
  const detach = () => {
    socket.onopen = socket.onmessage = socket.onclose = null;
    // A late error must not become an uncaught exception.
    socket.onerror = () => {};
  };
  socket.onopen = () => {
    opened = true;
    handler.onOpen();
  };
  socket.onmessage = ({ data }: { data: unknown }) => {
    if (typeof data !== 'string') return;
    const frame = decode(data);
    if (frame) handler.onFrame(frame);
    else {
      close();
      handler.onClose({ kind: 'protocol_violation', detail: 'a message is not a frame' });
    }
  };
  socket.onerror = (event: { message?: string }) => {
    detail = event.message ?? detail;
  };
  socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
    detach();
    if (!opened) handler.onClose({ kind: 'unreachable', detail: detail || 'the WebSocket was not opened' });
    else if (code === 1005 || code === 1006) handler.onClose({ kind: 'broken', detail: detail || `code ${code}` });
    else handler.onClose({ kind: 'closed', code, reason });
  };
  const close = () => {
    detach();
    socket.close();
    const timer = setTimeout(() => socket.terminate?.(), CLOSE_TIMEOUT_MS);
    (timer as { unref?: () => void }).unref?.();
  };
  return {
    send: (frame) => socket.send(JSON.stringify(frame)),
    setPaused: (paused) => {
      if (!socket.pause || !socket.resume) return false;
      if (paused) socket.pause();
      else socket.resume();
      return true;
    },
    close,
  };
}
