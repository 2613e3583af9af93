/**
 * The services for the page during development: `config.json` from the addresses of `cargo xtask dev`, the headers of
 * production in the preview, and sessions in a cookie.
 */

import { readFileSync } from 'node:fs';
import { request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Connect, Plugin } from 'vite';

const COOKIE = 'boxroom_refresh';
/** The path under which the preview passes requests on to the command-service. */
const PROXY = '/command';

interface Services {
  command_url: string;
  query_url: string;
  /** The public key of Web Push, if there is one. */
  web_push_key?: string;
  /** The address of the operator-gateway, if it runs. */
  gateway_url?: string;
}

/** The addresses: from the environment, or of the running `cargo xtask dev`. */
function services(): Services {
  const { BOXROOM_COMMAND_URL: command_url, BOXROOM_QUERY_URL: query_url, BOXROOM_GATEWAY_URL } = process.env;
  const gateway = BOXROOM_GATEWAY_URL ? { gateway_url: BOXROOM_GATEWAY_URL } : {};
  if (command_url && query_url) return { command_url, query_url, ...gateway };
  const path = fileURLToPath(new URL('../../.local/dev.json', import.meta.url));
  return { ...(JSON.parse(readFileSync(path, 'utf8')) as Services), ...gateway };
}

/** Serves `config.json`. In the preview, sessions are in a cookie, and the headers are those of production. */
export function devServices(): Plugin {
  const config =
    (change: (found: Services) => object): Connect.NextHandleFunction =>
    (_, response) => {
      response.setHeader('content-type', 'application/json');
      response.setHeader('cache-control', 'no-cache');
      try {
        response.end(JSON.stringify(change(services())));
      } catch {
        response.statusCode = 503;
        response.end(JSON.stringify({ error: 'start `cargo xtask dev` first' }));
      }
    };
  return {
    name: 'boxroom-services',
    configureServer(server) {
      // The services of a checkout may not have sessions in cookies: the page keeps them in the tab.
      server.middlewares.use(
        '/app/config.json',
        config((found) => ({ ...configOf(found, found.command_url), session: 'tab' })),
      );
    },
    configurePreviewServer(server) {
      server.middlewares.use((_, response, next) => {
        response.setHeader('content-security-policy', policy(services()));
        response.setHeader('x-content-type-options', 'nosniff');
        response.setHeader('referrer-policy', 'no-referrer');
        next();
      });
      server.middlewares.use(
        '/app/config.json',
        config((found) => configOf(found, PROXY)),
      );
      server.middlewares.use(PROXY, (request, response) => void passOn(request, response));
    },
  };
}

/** Returns what the page reads, as a query-service writes it. */
function configOf({ query_url, gateway_url, web_push_key }: Services, command_url: string): object {
  return { command_url, query_url, operator_url: gateway_url ?? null, web_push_key: web_push_key ?? null };
}

/** The policy of production. The one Trusted Types policy creates the address of the service worker only. */
export function policy({ query_url: queryUrl, gateway_url: gatewayUrl = '' }: Services): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    `connect-src 'self' ${queryUrl} ${queryUrl.replace(/^http/, 'ws')} ${gatewayUrl}`,
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types boxroom-worker',
  ].join('; ');
}

/** Passes a request on to the command-service, with the refresh token of `Boxroom-Session: cookie` in a cookie. */
async function passOn(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  let body = Buffer.concat(chunks);
  const { host: _, cookie, 'boxroom-session': session, origin: __, ...headers } = request.headers;
  const hasCookie = session === 'cookie';
  const path = request.url ?? '/';
  if (hasCookie && path === '/sessions/refresh') {
    const token = new RegExp(`${COOKIE}=([^;]+)`).exec(cookie ?? '')?.[1] ?? 'none';
    body = Buffer.from(JSON.stringify({ refresh_token: decodeURIComponent(token) }));
    headers['content-type'] = 'application/json';
  }
  headers['content-length'] = String(body.length);
  headers['accept-encoding'] = 'identity';
  const target = new URL(path, services().command_url);
  const onward = send(target, { method: request.method, headers }, (answer) => {
    const parts: Buffer[] = [];
    answer.on('data', (part: Buffer) => parts.push(part));
    answer.on('end', () => {
      let content = Buffer.concat(parts);
      const sent = { ...answer.headers };
      const set = (value: string, age: number) =>
        `${COOKIE}=${value}; Path=${PROXY}/sessions; HttpOnly; SameSite=Strict; Max-Age=${age}`;
      if (hasCookie && request.method === 'DELETE') sent['set-cookie'] = [set('', 0)];
      else if (hasCookie && answer.statusCode === 200) {
        const { refresh_token, ...rest } = JSON.parse(content.toString()) as { refresh_token: string };
        content = Buffer.from(JSON.stringify(rest));
        sent['set-cookie'] = [set(encodeURIComponent(refresh_token), 30 * 86_400)];
      }
      delete sent['transfer-encoding'];
      if (content.length > 0) sent['content-length'] = String(content.length);
      response.writeHead(answer.statusCode ?? 502, sent);
      response.end(content);
    });
  });
  onward.on('error', () => response.writeHead(502).end());
  onward.end(body);
}
