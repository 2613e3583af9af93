/** Rooms as an application shows them: folded, stored, and with messages that are being sent. */

import type { Boxroom } from '../client.js';
import type { Item } from '../live/items.js';
import { boxOf, memoryDatabase, type Database } from './database.js';
import { StoredRoom } from './room.js';

/** The minimum time between two writes of the cursor, in milliseconds. An older cursor repeats erasures. */
const CURSOR_MS = 5000;

/**
 * The rooms of a user. The live client tells erasures of users since its cursor. So the cursor is stored after the
 * erasures before it, and the next store continues from it. Without a cursor, nothing that is stored is shown.
 */
export class RoomStore {
  private readonly rooms = new Map<string, Promise<StoredRoom>>();
  private readonly stop: (() => void)[] = [];
  private readonly ready: Promise<void>;
  private cursor: { last: string | undefined; stored: string | undefined; at: number } | undefined;

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
    this.stop.push(live.on('alarms_withdrawn', ({ box_id, by }) => this.orStop(this.erase(box_id, by))));
    this.stop.push(live.on('alarms_reset', () => this.orStop(this.forget())));
    this.ready = this.begin();
    this.ready.catch(() => {});
  }

  /** Opens a room: shows what is stored, follows it, and sends what was not sent before a reload. */
  open(roomId: string): Promise<StoredRoom> {
    const known = this.rooms.get(roomId);
    if (known) return known;
    const room = this.ready.then(() => StoredRoom.open(this.client, this.database, roomId));
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
    const { last, stored } = this.cursor ?? {};
    this.cursor = undefined;
    if (last !== undefined && last !== stored) await this.database.setCursor(last);
    this.database.close();
  }

  /** Removes everything that is stored, as at a sign-out. */
  async clear(): Promise<void> {
    this.cursor = undefined;
    await Promise.all([...this.rooms.keys()].map((roomId) => this.close(roomId)));
    await this.database.clear();
  }

  /** Continues from the stored cursor. Removes what is stored if there is none: erasures may have been missed. */
  private async begin(): Promise<void> {
    const { live } = this.client;
    const stored = await this.database.cursor();
    if (stored === undefined) await this.database.forget();
    else live.resume(stored);
    this.cursor = { last: stored, stored, at: 0 };
    this.stop.push(live.onCursor((cursor) => this.keep(cursor)));
  }

  private async keep(cursor: string): Promise<void> {
    if (!this.cursor) return;
    this.cursor.last = cursor;
    if (Date.now() - this.cursor.at < CURSOR_MS) return;
    this.cursor = { last: cursor, stored: cursor, at: Date.now() };
    await this.database.setCursor(cursor);
  }

  private async route(item: Item, roomId: string): Promise<void> {
    const room = await this.rooms.get(roomId)?.catch(() => undefined);
    await room?.onItem(item);
  }

  private async erase(boxId: string, author: string): Promise<void> {
    // Rooms first: what they store from now on has no texts of the user.
    await this.eraseOpen(boxId, author);
    await this.database.erase(boxId, author);
    // A room may have been opened meanwhile.
    await this.eraseOpen(boxId, author);
  }

  private async eraseOpen(boxId: string, author: string): Promise<void> {
    for (const [roomId, room] of this.rooms) {
      if (boxOf(roomId) === boxId) (await room.catch(() => undefined))?.erase(author);
    }
  }

  /** Removes what is stored, and reads what is shown again. */
  private async forget(): Promise<void> {
    await this.database.forget();
    for (const room of this.rooms.values()) (await room.catch(() => undefined))?.reread();
  }

  /** Keeps no further cursor if this fails: the next store begins before it. */
  private async orStop(done: Promise<void>): Promise<void> {
    try {
      await done;
    } catch (error) {
      this.cursor = undefined;
      throw error;
    }
  }
}
