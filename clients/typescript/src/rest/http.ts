/** Requests with retries, tokens and positions. */

import { sleep } from '../time.js';
import type { TokenSource } from '../tokens.js';
import { uuidv7 } from '../uuid.js';
import { Backoff } from '../live/backoff.js';
import { Positions } from './positions.js';
import { NetworkError, Problem, readProblem } from './problem.js';

/** The timeout of one attempt, in milliseconds. */
const ATTEMPT_MS = 15_000;

/** The operation that replaces a refresh token. */
const REFRESH = 'refresh_session';

/** The timeout of one attempt to refresh a session, with its body, in milliseconds. */
const REFRESH_ATTEMPT_MS = 3000;

/**
 * The time in which a refresh is repeated, in milliseconds. For ten seconds the service gives the same answer again. A
 * later repeat ends the session.
 */
export const REFRESH_MS = 8000;

/** Statuses after which a request is repeated, besides failures of the network. */
const TEMPORARY = [408, 429, 502, 503, 504];

/** Codes of refusals that only operators can change. */
const LASTING = ['box-quarantined'];

/** Operations that set, use or remove the cookie of a session. */
const OF_COOKIE = ['open_session', 'refresh_session', 'close_session', 'close_all_sessions'];

/** An operation of a service. */
export interface Operation {
  readonly id: string;
  readonly service: 'command' | 'query';
  readonly method: string;
  /** The path, with parameters in braces. */
  readonly path: string;
  /** The names of the parameters of the query. */
  readonly query: readonly string[];
  /** True if the operation has a body. */
  readonly body: boolean;
  /** True if the operation needs no token. */
  readonly open: boolean;
}

/** The options of a request. */
export interface RequestOptions {
  /** The `Idempotency-Key` of a command. Default: a new one. Give one to repeat an earlier command. */
  idempotencyKey?: string;
  /** The time in which a request is repeated, in milliseconds. Default: that of the client. */
  deadlineMs?: number;
  /** Aborts the request. A command may be carried out all the same. */
  signal?: AbortSignal;
  /** Sends a token with an operation that needs none: registration with the token of an external issuer. */
  withToken?: boolean;
}

/** The successful answer to a request. */
export interface Answer<T> {
  data: T;
  status: number;
  /** True if the command was carried out before, and this is its first answer. */
  replayed: boolean;
}

/** The parameters of a request: those of the path and of the query, and the body as `body`. */
export type Params = Record<string, unknown>;

/** The options of all requests. */
export interface HttpOptions {
  commandUrls: readonly string[];
  queryUrls: readonly string[];
  tokens: TokenSource;
  deadlineMs: number;
  fetch: typeof fetch;
  /** True if the refresh token is in a cookie. */
  hasCookie?: boolean;
}

/** Sends requests to the services. */
export class Http {
  readonly positions = new Positions();
  private readonly urls: Record<'command' | 'query', { all: readonly string[]; index: number }>;

  constructor(private readonly options: HttpOptions) {
    const start = (all: readonly string[]) => ({ all, index: Math.floor(Math.random() * all.length) });
    this.urls = { command: start(options.commandUrls), query: start(options.queryUrls) };
  }

  /** Sends a request, and repeats it until there is an answer or the deadline is over. */
  async request<T>(operation: Operation, params: Params = {}, options: RequestOptions = {}): Promise<Answer<T>> {
    const response = await this.respond(operation, params, options, true);
    return this.answer(response, await read<T>(response));
  }

  /**
   * Sends a request, and repeats it until an answer begins or the deadline is over. Returns the body without waiting
   * for its end. The signal of the options also ends the body.
   */
  async stream(operation: Operation, params: Params, options: RequestOptions): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.respond(operation, params, options, false);
    return body ?? new Blob([]).stream();
  }

  private async respond(
    operation: Operation,
    params: Params,
    options: RequestOptions,
    isWhole: boolean,
  ): Promise<Response> {
    const longestMs = operation.id === REFRESH ? REFRESH_MS : Infinity;
    const deadline = Date.now() + Math.min(options.deadlineMs ?? this.options.deadlineMs, longestMs);
    const backoff = new Backoff(250, 5000);
    const path = pathOf(operation, params);
    const body = operation.body && params['body'] !== undefined ? JSON.stringify(params['body']) : undefined;
    const key = options.idempotencyKey ?? uuidv7();
    let token = await this.token(operation, options);
    let renewed = false;
    let forgotten = false;
    for (;;) {
      options.signal?.throwIfAborted();
      const { all, index } = this.urls[operation.service];
      const headers = this.headers(operation, token, body, key);
      const result = await this.attempt(
        `${all[index]}${path}`,
        { method: operation.method, headers, body, ...this.credentials(operation) },
        operation.id === REFRESH ? Date.now() + REFRESH_ATTEMPT_MS : deadline,
        options,
        isWhole,
      );
      if (result instanceof Response) return result;
      const problem = result instanceof Problem ? result : undefined;
      if (problem?.status === 401 && token !== undefined && !renewed && /-token$/.test(problem.code)) {
        renewed = true;
        const next = await this.options.tokens.token(token);
        if (next === token) throw problem;
        token = next;
        continue;
      }
      if (problem?.code === 'invalid-position' && !forgotten) {
        // The log was restored or replaced.
        forgotten = true;
        this.positions.clear();
        continue;
      }
      if (problem && !isTemporary(operation, problem)) throw problem;
      if (problem?.status !== 429) this.urls[operation.service].index = (index + 1) % all.length;
      const waitMs = backoff.next(problem?.retryAfterMs ?? 0);
      if (Date.now() + waitMs > deadline) throw result;
      await sleep(waitMs, options.signal);
    }
  }

  private async token(operation: Operation, options: RequestOptions): Promise<string | undefined> {
    return operation.open && !options.withToken ? undefined : this.options.tokens.token();
  }

  private usesCookie({ id }: Operation): boolean {
    return this.options.hasCookie === true && OF_COOKIE.includes(id);
  }

  private credentials(operation: Operation): { credentials?: 'include' } {
    return this.usesCookie(operation) ? { credentials: 'include' } : {};
  }

  private headers(operation: Operation, token: string | undefined, body: string | undefined, key: string) {
    const headers: Record<string, string> = {};
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (operation.service === 'command') headers['idempotency-key'] = key;
    if (this.usesCookie(operation)) headers['boxroom-session'] = 'cookie';
    const position = operation.method === 'GET' ? this.positions.header() : undefined;
    if (position !== undefined) headers['min-position'] = position;
    return headers;
  }

  /** Returns a successful response, with its whole body or as soon as it begins; or the error. */
  private async attempt(
    url: string,
    request: {
      method: string;
      headers: Record<string, string>;
      body: string | undefined;
      credentials?: 'include';
    },
    deadline: number,
    { signal }: RequestOptions,
    isWhole: boolean,
  ): Promise<Response | Problem | NetworkError> {
    const controller = new AbortController();
    const abort = () => controller.abort(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    let timer = setTimeout(() => controller.abort(), Math.max(Math.min(ATTEMPT_MS, deadline - Date.now()), 1));
    const { body, ...rest } = request;
    let isStreaming = false;
    try {
      const init = { ...rest, ...(body === undefined ? {} : { body }), signal: controller.signal };
      const response = await this.options.fetch(url, { ...init, cache: 'no-store' });
      // A long answer may take the whole time.
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(), Math.max(deadline - Date.now(), 1));
      if (!response.ok) return await readProblem(response);
      isStreaming = !isWhole;
      if (isStreaming) return response;
      // The body is part of the attempt: its loss is a failure of the network.
      const content = response.status === 204 ? null : await response.arrayBuffer();
      return new Response(content, { status: response.status, headers: response.headers });
    } catch (error) {
      signal?.throwIfAborted();
      const detail = error instanceof Error ? error.message : String(error);
      return new NetworkError(`${request.method} ${new URL(url).pathname}: ${detail}`, { cause: error });
    } finally {
      clearTimeout(timer);
      if (!isStreaming) signal?.removeEventListener('abort', abort);
    }
  }

  private answer<T>(response: Response, data: T): Answer<T> {
    this.positions.remember(response.headers.get('event-position'));
    const replayed = response.headers.get('idempotent-replay') === 'true';
    return { data, status: response.status, replayed };
  }
}

/** Returns true if a repeat may succeed. */
function isTemporary(operation: Operation, problem: Problem): boolean {
  // A wrong password is not tried again: each attempt counts. Neither is a quota that is used up.
  if (problem.status === 429 && (operation.open || problem.code !== 'rate-limited')) return false;
  return TEMPORARY.includes(problem.status) && !LASTING.includes(problem.code);
}

/** Returns the path and query of a request. */
function pathOf(operation: Operation, params: Params): string {
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined || value === '') throw new TypeError(`${operation.id}: ${name} is missing`);
    return encodeURIComponent(String(value));
  });
  const query = new URLSearchParams();
  for (const name of operation.query) {
    const value = params[name];
    if (value === undefined || value === null) continue;
    query.set(name, Array.isArray(value) ? value.join(',') : String(value));
  }
  return query.size > 0 ? `${path}?${query}` : path;
}

async function read<T>(response: Response): Promise<T> {
  const text = await response.text();
  if (text === '') return undefined as T;
  return response.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(text) : (text as T);
}
