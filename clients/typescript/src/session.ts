/** The user's session: its tokens, refreshed once at a time, also across the tabs of a browser. */

import { REFRESH_MS } from './rest/http.js';
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
  /** The time at which the refresh token was first sent, while the answer is not known. */
  refreshed_at?: number;
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
  /** The last change of the session in this client, where there are no locks of a browser. */
  private changing: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly storage: SessionStorage,
    private readonly refresh: (refreshToken: string | undefined, deadlineMs: number) => Promise<SessionTokensAnswer>,
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

  /** Stores the tokens of a sign-in, after a running refresh; undefined removes them. */
  store(answer: SessionTokensAnswer | undefined, now = Date.now()): Promise<void> {
    return this.exclusively(async () => this.storage.save(answer && sessionOf(answer, now)));
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

  async renew(old: string): Promise<string> {
    const session = await this.storage.load();
    const isKept = session?.access_token === old && isRefreshLost(session) && Date.now() < session.expires_at;
    return isKept ? old : this.token(old);
  }

  private refreshOnce(old: string | undefined): Promise<string> {
    this.refreshing ??= this.exclusively(() => this.refreshNow(old)).finally(() => {
      this.refreshing = undefined;
    });
    return this.refreshing;
  }

  /** Changes the session while no other tab does. */
  private exclusively<T>(change: () => Promise<T>): Promise<T> {
    const { name } = this.storage;
    if (name && this.locks) return this.locks.request(`${name}.refresh`, change);
    const changed = this.changing.then(change);
    this.changing = changed.catch(() => {});
    return changed;
  }

  private async refreshNow(old: string | undefined): Promise<string> {
    const session = await this.storage.load();
    if (!session && !this.hasCookie) throw new SignedOut();
    // Another tab has refreshed the session meanwhile.
    if (session && session.access_token !== old && isFresh(session)) return session.access_token;
    const now = Date.now();
    const refreshed_at = session?.refreshed_at ?? now;
    // A repeat may end the session, so the access token is used up first.
    const isLost = session !== undefined && isRefreshLost(session);
    if (isLost && session.access_token !== old && now < session.expires_at) return session.access_token;
    if (session && session.refreshed_at === undefined) await this.storage.save({ ...session, refreshed_at });
    try {
      const deadlineMs = isLost ? REFRESH_MS : REFRESH_MS - (now - refreshed_at);
      const answer = await this.refresh(session?.refresh_token, deadlineMs);
      const newer = await this.newerThan(session);
      if (newer) return newer.access_token;
      await this.storage.save(sessionOf(answer, Date.now()));
      return answer.access_token;
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error;
      const newer = await this.newerThan(session);
      if (newer) return newer.access_token;
      await this.storage.save(undefined);
      const reason = new SignedOut(error);
      // Without a session before, the user was not signed in.
      if (session) this.onSignedOut(reason);
      throw reason;
    }
  }

  /** Returns the session that has replaced this one; undefined if none has. Rejects if it was removed. */
  private async newerThan(session: StoredSession | undefined): Promise<StoredSession | undefined> {
    const stored = await this.storage.load();
    if (session && !stored) throw new SignedOut();
    return stored?.access_token === session?.access_token ? undefined : stored;
  }
}

function sessionOf({ access_token, refresh_token, expires_in }: SessionTokensAnswer, now: number): StoredSession {
  const refresh = refresh_token === undefined ? {} : { refresh_token };
  return { access_token, ...refresh, issued_at: now, expires_at: now + expires_in * 1000 };
}

/** Returns true if the answer to a refresh was lost, and the service does not give it again. */
function isRefreshLost({ refreshed_at }: StoredSession): boolean {
  return refreshed_at !== undefined && Date.now() - refreshed_at >= REFRESH_MS;
}

/** Returns true until three quarters of the token's lifetime are over. */
function isFresh({ issued_at, expires_at }: StoredSession): boolean {
  return Date.now() < issued_at + ((expires_at - issued_at) * 3) / 4;
}
