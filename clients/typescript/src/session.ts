/** The user's session: its tokens, refreshed once at a time, also across the tabs of a browser. */

import { Problem } from './rest/problem.js';
import type { TokenSource } from './tokens.js';

/** A stored session. */
export interface StoredSession {
  access_token: string;
  /** Absent if the refresh token is in a cookie. */
  refresh_token?: string;
  /** The times of issue and of expiry of the access token, in milliseconds since 1970. */
  issued_at: number;
  expires_at: number;
}

/** The place of a session. */
export interface SessionStorage {
  /** A name that all users of the same place share; absent if the place belongs to this client alone. */
  readonly name?: string;
  load(): StoredSession | undefined | Promise<StoredSession | undefined>;
  /** Stores a session, or removes it. */
  save(session: StoredSession | undefined): void | Promise<void>;
}

/** The tokens in an answer of the command-service. */
export interface SessionTokensAnswer {
  access_token: string;
  refresh_token?: string;
  expires_in: number;
}

/** There is no session: the user must sign in. */
export class SignedOut extends Error {
  override readonly name = 'SignedOut';

  constructor(
    /** The refusal that has ended the session, if there was one. */
    readonly problem?: Problem,
  ) {
    super(problem ? `the session has ended: ${problem.code}` : 'the user is not signed in');
  }
}

/** Keeps a session in memory. */
export function memoryStorage(): SessionStorage {
  let stored: StoredSession | undefined;
  return {
    load: () => stored,
    save: (session) => {
      stored = session;
    },
  };
}

/** Keeps a session in `localStorage` or `sessionStorage`. Scripts of the same origin can read it. */
export function webStorage(storage: Storage, key = 'boxroom.session'): SessionStorage {
  return {
    name: key,
    load: () => {
      const text = storage.getItem(key);
      try {
        return text === null ? undefined : (JSON.parse(text) as StoredSession);
      } catch {
        return undefined;
      }
    },
    save: (session) => {
      if (session) storage.setItem(key, JSON.stringify(session));
      else storage.removeItem(key);
    },
  };
}

/** The time in which other tabs must answer, in milliseconds. */
const ASK_MS = 100;

type TabMessage = { ask: true } | { session: StoredSession | null };

/**
 * Keeps a session in the memory of all tabs of an origin, which pass it to each other. Nothing is written to a disk, so
 * the session ends with the last tab, unless the refresh token is in a cookie.
 */
export function tabsStorage(name = 'boxroom.session'): SessionStorage & { close(): void } {
  let stored: StoredSession | undefined;
  let asking: Promise<void> | undefined;
  let answered = () => {};
  const channel = new BroadcastChannel(name);
  channel.onmessage = ({ data }: { data: TabMessage }) => {
    if ('ask' in data) {
      if (stored) channel.postMessage({ session: stored } satisfies TabMessage);
    } else if (data.session === null) stored = undefined;
    else if (!stored || data.session.issued_at > stored.issued_at) {
      stored = data.session;
      answered();
    }
  };
  const ask = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ASK_MS);
      answered = () => {
        clearTimeout(timer);
        resolve();
      };
      channel.postMessage({ ask: true } satisfies TabMessage);
    });
  return {
    name,
    load: async () => {
      if (!stored) await (asking ??= ask());
      return stored;
    },
    save: (session) => {
      stored = session;
      channel.postMessage({ session: session ?? null } satisfies TabMessage);
    },
    close: () => channel.close(),
  };
}

type Locks = { request<T>(name: string, callback: () => Promise<T>): Promise<T> };

/** The tokens of a session. */
export class SessionTokens implements TokenSource {
  private refreshing: Promise<string> | undefined;

  constructor(
    private readonly storage: SessionStorage,
    private readonly refresh: (refreshToken: string | undefined) => Promise<SessionTokensAnswer>,
    private readonly onSignedOut: (reason: SignedOut) => void,
    private readonly locks = (globalThis as { navigator?: { locks?: Locks } }).navigator?.locks,
    /** True if the refresh token is in a cookie. */
    private readonly hasCookie = false,
  ) {}

  /** Returns true if there is a session. A cookie is not visible here: only a refresh tells. */
  async exists(): Promise<boolean> {
    if ((await this.storage.load()) !== undefined) return true;
    if (!this.hasCookie) return false;
    try {
      await this.refreshOnce(undefined);
      return true;
    } catch (error) {
      if (error instanceof SignedOut) return false;
      throw error;
    }
  }

  /** Stores the tokens of a sign-in or of a refresh; undefined removes them. */
  async store(answer: SessionTokensAnswer | undefined, now = Date.now()): Promise<void> {
    if (!answer) return this.storage.save(undefined);
    const { access_token, refresh_token, expires_in } = answer;
    const refresh = refresh_token === undefined ? {} : { refresh_token };
    await this.storage.save({ access_token, ...refresh, issued_at: now, expires_at: now + expires_in * 1000 });
  }

  async token(old?: string): Promise<string> {
    const session = await this.storage.load();
    if (!session) {
      if (this.hasCookie) return this.refreshOnce(undefined);
      throw new SignedOut();
    }
    if (session.access_token !== old && isFresh(session)) return session.access_token;
    try {
      return await this.refreshOnce(old);
    } catch (error) {
      // The token is valid for a while, and the next request tries again.
      const isUsable = session.access_token !== old && Date.now() < session.expires_at;
      if (isUsable && !(error instanceof SignedOut)) return session.access_token;
      throw error;
    }
  }

  private refreshOnce(old: string | undefined): Promise<string> {
    const refresh = () => this.refreshNow(old);
    const { name } = this.storage;
    this.refreshing ??= (name && this.locks ? this.locks.request(`${name}.refresh`, refresh) : refresh()).finally(
      () => {
        this.refreshing = undefined;
      },
    );
    return this.refreshing;
  }

  private async refreshNow(old: string | undefined): Promise<string> {
    const session = await this.storage.load();
    if (!session && !this.hasCookie) throw new SignedOut();
    // Another tab has refreshed the session meanwhile.
    if (session && session.access_token !== old && isFresh(session)) return session.access_token;
    try {
      const answer = await this.refresh(session?.refresh_token);
      await this.store(answer);
      return answer.access_token;
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error;
      await this.storage.save(undefined);
      const reason = new SignedOut(error);
      // Without a session before, the user was not signed in.
      if (session) this.onSignedOut(reason);
      throw reason;
    }
  }
}

/** Returns true until three quarters of the token's lifetime are over. */
function isFresh({ issued_at, expires_at }: StoredSession): boolean {
  return Date.now() < issued_at + ((expires_at - issued_at) * 3) / 4;
}
