/** The client of an installation. */

import { Live, type LiveOptions } from './live/live.js';
import { OPERATIONS } from './generated/operations.js';
import { apiOf, requestOf, type Api, type OperationName, type ParamsOf, type ResultOf } from './rest/api.js';
import { exportLines, type ExportLine, type ExportOptions } from './rest/export.js';
import { Http, type Answer, type RequestOptions } from './rest/http.js';
import { Problem, readProblem } from './rest/problem.js';
import {
  memoryStorage,
  SessionTokens,
  SignedOut,
  type SessionStorage,
  type SessionTokensAnswer,
} from './session.js';
import { tokenSource, type TokenSource, type Tokens } from './tokens.js';

/** The options of a client. */
export interface BoxroomOptions {
  /** The addresses of command-services, or of the proxy before them. */
  commandUrl: string | readonly string[];
  /** The addresses of query-services, or of the proxy before them. */
  queryUrl: string | readonly string[];
  /** The source of tokens, with an external issuer. Default: the session of `signIn`. */
  tokens?: Tokens;
  /** The place of the session. Default: memory. */
  storage?: SessionStorage;
  /**
   * The place of the refresh token: `body` (default) in `storage`, or `cookie` in a cookie of the command-service that
   * scripts cannot read. With a cookie, use `tabsStorage` to share the access token between tabs.
   */
  session?: 'body' | 'cookie';
  /** Called when the session has ended and the user must sign in. */
  onSignedOut?: (reason: SignedOut) => void;
  /** The time in which a request is repeated, in milliseconds. Default: 30,000. */
  deadlineMs?: number;
  /** The function that sends requests. Default: `fetch`. */
  fetch?: typeof fetch;
  /** The options of live connections. */
  live?: Partial<Omit<LiveOptions, 'urls' | 'tokens' | 'requests'>>;
}

/** The client of an installation: requests, the session, and live updates. */
export class Boxroom {
  /** A method for each operation of the services. */
  readonly api: Api;
  private readonly http: Http;
  private readonly tokens: TokenSource;
  private readonly session: SessionTokens;
  private readonly queryUrls: string[];
  private current: Live | undefined;

  constructor(private readonly options: BoxroomOptions) {
    // A bare `fetch` must be called on the global object.
    const send: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.queryUrls = urlsOf(options.queryUrl);
    const hasCookie = options.session === 'cookie';
    this.session = new SessionTokens(
      options.storage ?? memoryStorage(),
      async (refreshToken, deadlineMs) => {
        const params = refreshToken === undefined ? {} : { body: { refresh_token: refreshToken } };
        return (await this.http.request<SessionTokensAnswer>(OPERATIONS.refreshSession, params, { deadlineMs })).data;
      },
      (reason) => this.onSignedOut(reason),
      undefined,
      hasCookie,
    );
    this.tokens = options.tokens === undefined ? this.session : tokenSource(options.tokens);
    this.http = new Http({
      commandUrls: urlsOf(options.commandUrl),
      queryUrls: this.queryUrls,
      tokens: this.tokens,
      deadlineMs: options.deadlineMs ?? 30_000,
      fetch: send,
      hasCookie,
    });
    this.api = apiOf(this.http);
  }

  /** The live client. It connects with the first subscription, or with `connect`. */
  get live(): Live {
    this.current ??= new Live({
      ...this.options.live,
      urls: this.queryUrls,
      tokens: this.tokens,
      requests: {
        fetch: this.options.fetch ?? ((input, init) => fetch(input, init)),
        readProblem,
        readFeed: (url, token, roomId, afterV, signal) => this.readFeed(url, token, roomId, afterV, signal),
      },
    });
    return this.current;
  }

  /** Sends the request of an operation. The answer also says whether the command was carried out before. */
  request<N extends OperationName>(
    name: N,
    params: ParamsOf<N>,
    options?: RequestOptions,
  ): Promise<Answer<ResultOf<N>>> {
    return requestOf(this.http, name, params, options);
  }

  /**
   * Returns all data of the user, line by line. An interrupted export continues from its last `cursor` line. The lines
   * before a `cursor` or `end` line are returned once that line has arrived.
   */
  exportMe(options: ExportOptions = {}): AsyncGenerator<ExportLine, void, undefined> {
    return exportLines(this.http, options);
  }

  /** Signs in a user or an operator. The label names the device in the list of sessions. */
  async signIn(userId: string, password: string, device?: string): Promise<void> {
    const label = device === undefined ? {} : { device };
    const answer = await this.api.openSession({ body: { user_id: userId, password, ...label } });
    this.reset();
    await this.session.store(answer);
  }

  /**
   * Returns a valid access token, for other services of the installation. With `old`, which they have refused, another
   * one; a source that has no other returns `old` again.
   */
  accessToken(old?: string): Promise<string> {
    return this.tokens.token(old);
  }

  /** Returns true if there is a session. */
  isSignedIn(): Promise<boolean> {
    return this.session.exists();
  }

  /** Ends the session, here and at the service, and closes the live client. */
  async signOut(): Promise<void> {
    try {
      if (await this.session.exists()) await this.api.closeSession({}, { deadlineMs: 5000 });
    } catch (error) {
      // The session may have ended before.
      const isOver = error instanceof SignedOut || (error instanceof Problem && [401, 404].includes(error.status));
      if (!isOver) throw error;
    } finally {
      this.reset();
      await this.session.store(undefined);
    }
  }

  /** Closes the live client. */
  close(): void {
    this.current?.close();
    this.current = undefined;
  }

  private reset(): void {
    this.close();
    this.http.positions.clear();
  }

  private onSignedOut(reason: SignedOut): void {
    this.reset();
    this.options.onSignedOut?.(reason);
  }

  private async readFeed(url: string, token: string, roomId: string, afterV: number, signal: AbortSignal) {
    const send = this.options.fetch ?? ((input, init) => fetch(input, init));
    const path = `${url}/rooms/${encodeURIComponent(roomId)}/events?limit=200&after_v=${afterV}`;
    const response = await send(path, { headers: { authorization: `Bearer ${token}` }, signal, cache: 'no-store' });
    if (!response.ok) throw await readProblem(response);
    return response.json();
  }
}

function urlsOf(urls: string | readonly string[]): string[] {
  return (typeof urls === 'string' ? [urls] : [...urls]).map((url) => url.replace(/\/+$/, ''));
}
