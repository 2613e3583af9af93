/** A scripted HTTP server: each request gets the next answer of a list. */

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A received request. */
export interface Received {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** An answer: writes a response, or breaks the connection. */
export type Reply = (response: ServerResponse, request: Received) => void;

/** A problem with headers. */
export function problem(status: number, code: string, headers: Record<string, string> = {}, more: object = {}): Reply {
  const body = { type: 'about:blank', title: 'A title', status, detail: 'A detail', code, request_id: 'r-1', ...more };
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/problem+json', ...headers }).end(JSON.stringify(body));
  };
}

/** A successful answer with headers. */
export function ok(status: number, body?: object, headers: Record<string, string> = {}): Reply {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };
}

/** The connection breaks after the request was received. */
export const BREAK: Reply = (response) => response.destroy();

/** A scripted server. */
export class HttpServer {
  readonly requests: Received[] = [];

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  /** Starts a server with an answer for each request; the last one is repeated. */
  static async start(...replies: Reply[]): Promise<HttpServer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const started = new HttpServer(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const received = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
      const reply = replies[Math.min(started.requests.length, replies.length - 1)] as Reply;
      started.requests.push(received);
      reply(response, received);
    });
    return started;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}
