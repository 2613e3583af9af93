/** The rooms of the user. */

import { Problem, type Boxroom, type Items } from '@boxroom/client';
import type { Names } from './names.js';
import type { MyRoomView } from './types.js';
import { Value } from './value.js';

/** The least time between two reads of the list, in milliseconds. */
const READ_MS = 1000;

/** The state of the list of rooms. */
export interface RoomsState {
  readonly status: 'loading' | 'ready' | 'failed';
  /** The rooms, the last active one first. */
  readonly rooms: readonly MyRoomView[];
  readonly hasMore: boolean;
  /** The number of unread messages in open rooms that are not muted. */
  readonly unread: number;
}

/** The list of the user's rooms with unread counts and last messages. */
export class RoomList {
  readonly state = new Value<RoomsState>({ status: 'loading', rooms: [], hasMore: false, unread: 0 });
  private cursor: string | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  constructor(
    private readonly client: Boxroom,
    private readonly names: Names,
  ) {}

  /** Reads the first page again. */
  async reload(): Promise<void> {
    try {
      const page = await this.client.api.listMyRooms({ limit: 50 });
      const ids = new Set(page.items.map(({ room_id }) => room_id));
      const rest = this.cursor === undefined ? [] : this.state.get().rooms.filter(({ room_id }) => !ids.has(room_id));
      this.cursor ??= page.next ?? undefined;
      this.show([...page.items, ...rest], 'ready');
    } catch (error) {
      if (error instanceof Problem || this.state.get().status === 'loading') this.state.update({ status: 'failed' });
    }
  }

  /** Reads the next page. */
  async loadMore(): Promise<void> {
    if (this.cursor === undefined) return;
    const page = await this.client.api.listMyRooms({ limit: 50, cursor: this.cursor });
    this.cursor = page.next ?? undefined;
    const known = new Set(this.state.get().rooms.map(({ room_id }) => room_id));
    this.show([...this.state.get().rooms, ...page.items.filter(({ room_id }) => !known.has(room_id))], 'ready');
  }

  /** Reads the list again soon. */
  touch(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      if (!this.closed) void this.reload();
    }, READ_MS);
  }

  onMyRooms(unread: Items['my_rooms']): void {
    const { rooms, status } = this.state.get();
    const known = new Set(rooms.map(({ room_id }) => room_id));
    if (status === 'ready' && Object.keys(unread).every((room) => known.has(room))) {
      this.show(
        rooms.map((room) => ({ ...room, unread: unread[room.room_id] ?? room.unread })),
        status,
      );
    }
    this.touch();
  }

  onUnread({ room_id, unread }: Items['unread']): void {
    this.setUnread(room_id, unread);
    this.touch();
  }

  /** Changes the number of unread messages of a room. */
  setUnread(roomId: string, unread: number): void {
    const { rooms, status } = this.state.get();
    this.show(
      rooms.map((room) => (room.room_id === roomId ? { ...room, unread } : room)),
      status,
    );
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private show(rooms: readonly MyRoomView[], status: RoomsState['status']): void {
    this.names.want(rooms.flatMap(({ host, last_message }) => (last_message ? [host, last_message.author] : [host])));
    const counted = rooms.filter((room) => room.status === 'open' && !room.muted);
    const unread = counted.reduce((sum, room) => sum + room.unread, 0);
    this.state.set({ status, rooms, hasMore: this.cursor !== undefined, unread });
  }
}
