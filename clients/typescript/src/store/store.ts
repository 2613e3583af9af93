/** Rooms as an application shows them: folded, stored, and with messages that are being sent. */

import type { Boxroom } from '../client.js';
import type { Item } from '../live/items.js';
import { memoryDatabase, type Database } from './database.js';
import { StoredRoom } from './room.js';

/** The rooms of a user. */
export class RoomStore {
  private readonly rooms = new Map<string, Promise<StoredRoom>>();
  private readonly stop: (() => void)[] = [];

  constructor(
    private readonly client: Boxroom,
    /** The place of the rooms. Default: memory. */
    private readonly database: Database = memoryDatabase(),
  ) {
    const { live } = client;
    const routed = ['event', 'subscribed', 'reset', 'ended'] as const;
    for (const type of routed) {
      // The database is written before the next item is taken.
      this.stop.push(live.on(type, (data) => this.route({ type, data } as Item, data.room_id)));
    }
    this.stop.push(live.on('alarms_withdrawn', ({ box_id, by }) => this.erase(box_id, by)));
  }

  /** Opens a room: shows what is stored, follows it, and sends what was not sent before a reload. */
  open(roomId: string): Promise<StoredRoom> {
    const known = this.rooms.get(roomId);
    if (known) return known;
    const room = StoredRoom.open(this.client, this.database, roomId);
    this.rooms.set(roomId, room);
    room.catch(() => this.rooms.delete(roomId));
    return room;
  }

  /** Stops following a room. What is stored remains. */
  async close(roomId: string): Promise<void> {
    const room = this.rooms.get(roomId);
    this.rooms.delete(roomId);
    this.client.live.unsubscribe(roomId);
    (await room?.catch(() => undefined))?.dispose();
  }

  /** Stops following all rooms, and closes the database. */
  async dispose(): Promise<void> {
    await Promise.all([...this.rooms.keys()].map((roomId) => this.close(roomId)));
    this.stop.forEach((stop) => stop());
    this.database.close();
  }

  /** Removes everything that is stored, as at a sign-out. */
  async clear(): Promise<void> {
    await Promise.all([...this.rooms.keys()].map((roomId) => this.close(roomId)));
    await this.database.clear();
  }

  private async route(item: Item, roomId: string): Promise<void> {
    const room = await this.rooms.get(roomId)?.catch(() => undefined);
    await room?.onItem(item);
  }

  private async erase(boxId: string, author: string): Promise<void> {
    for (const [roomId, room] of this.rooms) {
      if (roomId.startsWith(`${boxId}.`)) await (await room.catch(() => undefined))?.erase(author);
    }
  }
}
