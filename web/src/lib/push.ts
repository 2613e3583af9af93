/** Push messages in this browser: its subscription, and the device of the user that has its address. */

import type { Boxroom } from '@boxroom/client';
import { language } from './preferences.js';

/**
 * `not-offered`: the installation has no key for Web Push. `unsupported`: the browser has no push messages. `denied`:
 * the user has forbidden them in the browser.
 */
export type PushState = 'loading' | 'not-offered' | 'unsupported' | 'denied' | 'off' | 'on';

/** The device that was registered for this browser. */
interface Registered {
  user: string;
  device: string;
  endpoint: string;
  locale: string;
}

/** The signed-in user. */
interface Owner {
  client: Boxroom;
  userId: string;
}

const KEY = 'boxroom.push';

/** The switch of push messages. Its changes are carried out one after another. */
export class BrowserPush {
  private state: PushState = 'loading';
  private owner: Owner | undefined;
  private last: Promise<unknown> = Promise.resolve();
  private readonly listeners = new Set<() => void>();

  /** The public key of the installation in base64url, if it sends push messages to browsers. */
  constructor(private readonly key: string | null) {
    if (this.support() !== undefined) return;
    navigator.serviceWorker.addEventListener('message', ({ data }: MessageEvent<{ push?: string }>) => {
      if (data.push === 'changed') void this.check();
    });
    // Another tab has switched.
    addEventListener('storage', ({ key }) => {
      if (key === KEY) void this.check();
    });
    // The user may change the permission in another tab, or in the settings of the browser.
    void navigator.permissions?.query({ name: 'notifications' }).then(
      (permission) => permission.addEventListener('change', () => void this.check()),
      () => {},
    );
  }

  /** The device of this browser, if it is registered. */
  get device(): string | undefined {
    return read()?.device;
  }

  readonly get = () => this.state;

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Begins with a user: renews the address if it has changed since the last page. */
  start(owner: Owner): Promise<void> {
    this.owner = owner;
    return this.check();
  }

  /** Compares subscription, key, language and user with what is registered, and registers a change. */
  check(): Promise<void> {
    return this.inTurn(() => this.checkNow()).catch(() => {});
  }

  /** Asks for the permission, and registers this browser. */
  async enable(): Promise<void> {
    // Browsers ask only during an action of the user: nothing may be waited for before.
    const permission = await Notification.requestPermission();
    await this.inTurn(async () => {
      if (permission === 'granted' && this.owner) await this.register(this.owner, await this.subscription());
      await this.checkNow();
    });
  }

  /** Removes the device and the subscription. */
  disable(): Promise<void> {
    return this.inTurn(async () => {
      const registered = read();
      if (registered && this.owner?.userId === registered.user) {
        await this.owner.client.api.removeDevice({ device: registered.device }, { deadlineMs: 5000 });
      }
      await this.forget();
      await this.checkNow();
    });
  }

  /** Ends with the user. A device that cannot be removed ends with its subscription. */
  async leave(): Promise<void> {
    await this.disable().catch(() => this.inTurn(() => this.forget()));
    this.owner = undefined;
  }

  private async checkNow(): Promise<void> {
    const unable = this.support();
    if (unable !== undefined || this.key === null || !this.owner) return this.set(unable ?? 'loading');
    const { owner } = this;
    const registered = read();
    const isDenied = Notification.permission === 'denied';
    if (registered?.user !== owner.userId) {
      // Another user was signed in, and could not be asked.
      if (registered) await this.forget();
      return this.set(isDenied ? 'denied' : 'off');
    }
    if (Notification.permission !== 'granted') {
      await owner.client.api.removeDevice({ device: registered.device });
      await this.forget();
      return this.set(isDenied ? 'denied' : 'off');
    }
    const subscription = await this.subscription();
    const isSame = registered.endpoint === subscription.endpoint && registered.locale === language();
    if (!isSame) await this.register(owner, subscription);
    this.set('on');
  }

  /** Returns why there are no push messages, if there are none. */
  private support(): PushState | undefined {
    if (this.key === null) return 'not-offered';
    const hasAll = 'serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis;
    // The development server has no service worker.
    return hasAll && import.meta.env.PROD ? undefined : 'unsupported';
  }

  /** Returns the subscription with the key of the installation; makes it if there is none. */
  private async subscription(): Promise<PushSubscription> {
    const { pushManager } = await navigator.serviceWorker.ready;
    const key = bytesOf(this.key ?? '');
    const current = await pushManager.getSubscription();
    if (current) {
      const used = current.options.applicationServerKey;
      if (used && sameBytes(new Uint8Array(used), key)) return current;
      await current.unsubscribe();
    }
    return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  }

  private async register({ client, userId }: Owner, subscription: PushSubscription): Promise<void> {
    const known = read();
    const device = known?.user === userId ? known.device : `web-${crypto.randomUUID()}`;
    const { endpoint } = subscription;
    const { keys } = subscription.toJSON();
    const [p256dh, auth] = [keys?.['p256dh'] ?? '', keys?.['auth'] ?? ''];
    const locale = language();
    const body = { provider: 'web_push' as const, subscription: { endpoint, keys: { p256dh, auth } }, locale };
    // Stored first: a device whose answer is lost is removed with the switch.
    write({ user: userId, device, endpoint: '', locale });
    await client.api.registerDevice({ device, body });
    write({ user: userId, device, endpoint, locale });
  }

  private async forget(): Promise<void> {
    write(undefined);
    if (this.support() !== undefined) return;
    const registration = await navigator.serviceWorker.getRegistration();
    await (await registration?.pushManager.getSubscription())?.unsubscribe();
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.last.then(work);
    this.last = next.catch(() => {});
    return next;
  }

  private set(state: PushState): void {
    this.state = state;
    for (const listener of [...this.listeners]) listener();
  }
}

function read(): Registered | undefined {
  try {
    const text = localStorage.getItem(KEY);
    return text === null ? undefined : (JSON.parse(text) as Registered);
  } catch {
    return undefined;
  }
}

function write(registered: Registered | undefined): void {
  try {
    if (registered) localStorage.setItem(KEY, JSON.stringify(registered));
    else localStorage.removeItem(KEY);
  } catch {
    // Without a place the switch is off after the next start, and the device ends with the subscription.
  }
}

/** Decodes base64url. */
function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
