/** The session of the page: who is signed in, in all tabs. */

import { Boxroom, Problem, tabsStorage, webStorage, type SessionStorage } from '@boxroom/client';
import { indexedDatabase, memoryDatabase } from '@boxroom/client/store';
import { Chat } from '@boxroom/react';
import { claimsOf, isStaffRole, type StaffRole } from './claims.js';
import type { Config } from './config.js';
import { BrowserPush } from './push.js';

/** The state of the session. */
export type SessionState =
  | { kind: 'starting' }
  | { kind: 'unreachable' }
  | { kind: 'out'; ended: boolean }
  | { kind: 'in'; chat: Chat }
  | { kind: 'staff'; staff: Staff };

/** An operator or a moderator. */
export interface Staff {
  userId: string;
  role: StaffRole;
  client: Boxroom;
  /** True with a token that was printed: there is no session behind it. */
  isPrinted: boolean;
}

/** A new user. */
export interface Newcomer {
  user_id: string;
  nickname: string;
  password: string;
  /** The token of an invitation, if the installation demands one. */
  invitation?: string;
  /** The e-mail address that gets a link, if the installation confirms registrations. */
  contact?: string;
}

/** The place of the tokens. Nothing is ever written to `localStorage`. */
function storageOf(config: Config): { session: 'body' | 'cookie'; storage: SessionStorage } {
  if (config.session === 'tab') return { session: 'body', storage: webStorage(sessionStorage) };
  return { session: 'cookie', storage: tabsStorage() };
}

/** Signs in and out, and tells other tabs of it. */
export class PageSession {
  state: SessionState = { kind: 'starting' };
  readonly client: Boxroom;
  readonly push: BrowserPush;
  private readonly listeners = new Set<() => void>();
  private readonly channel = new BroadcastChannel('boxroom.user');

  constructor(private readonly config: Config) {
    this.push = new BrowserPush(config.web_push_key ?? null);
    this.client = new Boxroom({
      commandUrl: config.command_url,
      queryUrl: config.query_url,
      ...storageOf(config),
      onSignedOut: () => this.leave(true),
    });
    // Another tab has signed in or out: this one follows.
    this.channel.onmessage = ({ data }: { data: string | null }) => {
      const { state } = this;
      // A printed token belongs to this tab alone.
      if (state.kind === 'staff' && state.staff.isPrinted) return;
      const user = state.kind === 'in' ? state.chat.userId : state.kind === 'staff' ? state.staff.userId : null;
      if (data !== user) void this.start();
    };
  }

  /** The address of the operator-gateway; null if there is none. */
  get operatorUrl(): string | null {
    return this.config.operator_url ?? null;
  }

  readonly get = () => this.state;

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Continues with the session of an earlier page or another tab, if there is one. */
  async start(): Promise<void> {
    this.closeChat();
    this.set({ kind: 'starting' });
    if (!navigator.onLine) {
      // Without a network the requests would be repeated for a long time.
      addEventListener('online', () => void this.start(), { once: true });
      return this.set({ kind: 'unreachable' });
    }
    try {
      if (!(await this.client.isSignedIn())) return this.leave(false);
      await this.enter();
    } catch {
      this.set({ kind: 'unreachable' });
    }
  }

  async signIn(userId: string, password: string): Promise<void> {
    await this.client.signIn(userId, password, deviceName());
    await this.enter();
    this.channel.postMessage(userId);
  }

  /** Uses a token that `boxroomctl token` has printed. It is kept in the memory of this tab. */
  async usePrinted(token: string): Promise<void> {
    const { sub: userId, role } = claimsOf(token);
    if (!isStaffRole(role)) throw new Problem(403, 'forbidden', 'Forbidden', `role ${role}`, undefined, 0, []);
    let isUsed = false;
    const client = new Boxroom({
      commandUrl: this.config.command_url,
      queryUrl: this.config.query_url,
      tokens: (old) => {
        // It was refused, and there is no other. A session of a user is not touched.
        if (old !== undefined && isUsed) this.set({ kind: 'out', ended: true });
        return token;
      },
    });
    await client.api.listFilters({ limit: 1 });
    isUsed = true;
    this.closeChat();
    this.set({ kind: 'staff', staff: { userId, role, client, isPrinted: true } });
  }

  /** Registers a user and signs in. Returns the end of the link's validity if the registration must be confirmed. */
  async signUp(newcomer: Newcomer): Promise<{ confirmUntil: string } | undefined> {
    const answer = await this.client.api.registerUser({ body: newcomer });
    if ('expires_at' in answer) return { confirmUntil: answer.expires_at };
    await this.signIn(newcomer.user_id, newcomer.password);
    return undefined;
  }

  async signOut(): Promise<void> {
    const { state } = this;
    if (state.kind === 'staff' && state.staff.isPrinted) return this.start();
    await this.push.leave();
    if (state.kind === 'in') await state.chat.clear().catch(() => {});
    await this.client.signOut().catch(() => {});
    this.leave(false);
    this.channel.postMessage(null);
  }

  /** Forgets the session: the account is gone, or the service has ended it. */
  leave(ended: boolean): void {
    this.closeChat();
    this.set({ kind: 'out', ended });
    // The session may have ended while no page was open.
    void this.push.leave();
  }

  private async enter(): Promise<void> {
    const { sub, role } = claimsOf(await this.client.accessToken());
    if (isStaffRole(role)) {
      this.closeChat();
      return this.set({ kind: 'staff', staff: { userId: sub, role, client: this.client, isPrinted: false } });
    }
    const { user_id: userId } = await this.client.api.showMe();
    const database = await indexedDatabase(`boxroom-${userId}`).catch(() => memoryDatabase());
    this.closeChat();
    this.set({ kind: 'in', chat: new Chat({ client: this.client, userId, database }) });
    void this.push.start({ client: this.client, userId });
  }

  private closeChat(): void {
    if (this.state.kind === 'in') this.state.chat.close();
  }

  private set(state: SessionState): void {
    this.state = state;
    for (const listener of [...this.listeners]) listener();
  }
}

/** A name for the list of sessions. */
function deviceName(): string {
  const { userAgent } = navigator;
  const browser = /Firefox|Edg|OPR|Chrome|Safari/.exec(userAgent)?.[0] ?? 'Browser';
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(userAgent)?.[0] ?? '';
  return `${browser.replace('Edg', 'Edge').replace('OPR', 'Opera')}${system && `, ${system}`}`;
}
