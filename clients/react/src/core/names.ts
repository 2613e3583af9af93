/** Nicknames of users, read in groups. */

import type { Boxroom } from '@boxroom/client';
import { Value } from './value.js';

/** The time in which wanted names are collected, in milliseconds. */
const COLLECT_MS = 30;

/** The largest number of users of a request. */
const MAX_IDS = 100;

/** Nicknames by user ids; null for erased users. */
export class Names {
  readonly known = new Value<ReadonlyMap<string, string | null>>(new Map());
  private readonly wanted = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly client: Boxroom) {}

  /** Remembers names that came with other data. */
  learn(users: readonly { user_id: string; nickname: string | null }[]): void {
    const known = this.known.get();
    const changed = users.filter(({ user_id, nickname }) => nickname != null && known.get(user_id) !== nickname);
    if (changed.length === 0) return;
    this.known.set(new Map([...known, ...changed.map(({ user_id, nickname }) => [user_id, nickname] as const)]));
  }

  /** Reads the names of these users, unless they are known. */
  want(users: readonly string[]): void {
    for (const user of users) if (!this.known.get().has(user)) this.wanted.add(user);
    if (this.wanted.size > 0) this.timer ??= setTimeout(() => void this.read(), COLLECT_MS);
  }

  close(): void {
    clearTimeout(this.timer);
    this.wanted.clear();
  }

  private async read(): Promise<void> {
    const ids = [...this.wanted].slice(0, MAX_IDS);
    ids.forEach((id) => this.wanted.delete(id));
    try {
      const { items } = await this.client.api.listUsers({ ids: ids.join(',') });
      const next = new Map(this.known.get());
      for (const { user_id, nickname } of items) next.set(user_id, nickname);
      // Unknown ids are not asked for again.
      for (const id of ids) if (!next.has(id)) next.set(id, id);
      this.known.set(next);
    } catch {
      // They are read again when they are wanted again.
    } finally {
      this.timer = undefined;
      this.want([]);
    }
  }
}
