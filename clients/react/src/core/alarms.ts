/** The alarms of the user. */

import type { Boxroom, Items } from '@boxroom/client';
import type { Names } from './names.js';
import type { AlarmView } from './types.js';
import { Value } from './value.js';

/** The state of the list of alarms. */
export interface AlarmsState {
  readonly status: 'loading' | 'ready' | 'failed';
  /** The alarms, the newest first. */
  readonly alarms: readonly AlarmView[];
  readonly hasMore: boolean;
  /** The number of unread alarms; 1000 stands for 1000 or more. */
  readonly unread: number;
}

/** The list of alarms, and the number of unread ones. */
export class AlarmList {
  readonly state = new Value<AlarmsState>({ status: 'loading', alarms: [], hasMore: false, unread: 0 });
  private cursor: string | undefined;
  private upTo: string | undefined;

  constructor(
    private readonly client: Boxroom,
    private readonly names: Names,
  ) {}

  /** Reads the first page again. */
  async reload(): Promise<void> {
    try {
      const page = await this.client.api.listMyAlarms({ limit: 50 });
      this.cursor = page.next ?? undefined;
      this.upTo = page.up_to ?? undefined;
      this.show(page.items, page.unread);
    } catch {
      if (this.state.get().status === 'loading') this.state.update({ status: 'failed' });
    }
  }

  /** Reads the next page. */
  async loadMore(): Promise<void> {
    if (this.cursor === undefined) return;
    const page = await this.client.api.listMyAlarms({ limit: 50, cursor: this.cursor });
    this.cursor = page.next ?? undefined;
    const known = new Set(this.state.get().alarms.map(({ id }) => id));
    this.show([...this.state.get().alarms, ...page.items.filter(({ id }) => !known.has(id))]);
  }

  /** Marks all alarms that were delivered as read. */
  async markRead(): Promise<void> {
    if (this.upTo === undefined) return;
    await this.client.api.readAlarms({ body: { up_to: this.upTo } });
    this.show(
      this.state.get().alarms.map((alarm) => ({ ...alarm, read: true })),
      0,
    );
  }

  onAlarm(alarm: Items['alarm']): void {
    const { id, kind, at, room_id, count } = alarm;
    const message = alarm.message_id == null ? {} : { message_id: alarm.message_id };
    const by = alarm.by == null ? {} : { by: alarm.by };
    const view = { id, kind, at, room_id, count, ...message, ...by, read: false } as AlarmView;
    this.show([view, ...this.state.get().alarms.filter((known) => known.id !== id)]);
  }

  onWithdrawn(isWithdrawn: (alarm: AlarmView) => boolean): void {
    this.show(this.state.get().alarms.filter((alarm) => !isWithdrawn(alarm)));
  }

  onUnread({ unread, up_to }: Items['unread_alarms']): void {
    if (up_to !== undefined) this.upTo = up_to;
    const { alarms } = this.state.get();
    const shown = unread === 0 ? alarms.map((alarm) => ({ ...alarm, read: true })) : alarms;
    this.state.update({ alarms: shown, unread });
  }

  private show(alarms: readonly AlarmView[], unread = this.state.get().unread): void {
    this.names.want(alarms.flatMap(({ by }) => (by == null ? [] : [by])));
    this.state.set({ status: 'ready', alarms, hasMore: this.cursor !== undefined, unread });
  }
}
