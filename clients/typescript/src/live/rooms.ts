/** The followed rooms: the requests to send, and the next expected event of each room. */

import type { ClientFrame, Frame, FrameId, ServerFrame } from './frames.js';
import type { Item, RoomEvent } from './items.js';

/** Codes of temporary refusals. */
export const TEMPORARY = ['database-unavailable', 'read-model-unavailable', 'internal'];

/** The bytes of a hello that rooms may take. Further rooms are subscribed one by one. */
const HELLO_BYTES = 12 * 1024;

/** The service has violated the protocol. */
export class ProtocolViolation extends Error {}

interface Room {
  /** The last delivered version, or the one to begin after; absent until a room followed from now on is subscribed. */
  lastV: number | undefined;
  /**
   * - `wanted`: to be requested
   * - `requested`: in the hello, or with `requestId`
   * - `following`: subscribed
   * - `postponed`: refused temporarily
   * - `unwanted`: to be unsubscribed
   */
  state: 'wanted' | 'requested' | 'following' | 'postponed' | 'unwanted';
  requestId: FrameId | undefined;
  /** The version after which the last gap was found; null without a gap. */
  gapAfter: number | undefined | null;
  /** The head version in the last ping. All events up to it must arrive before the next ping. */
  pingedHead: number;
}

/** A request to send, or a room to end. */
export type Change = { subscribe: ClientFrame & { type: 'subscribe' } } | { end: string };

/** The followed rooms. Outlives connections. */
export class Rooms {
  private readonly followed = new Map<string, Room>();
  private changed = false;
  private postponed = false;
  private lastId = 0;

  /** Follows a room after a version, or from now on. A room that is followed already starts again. */
  request(roomId: string, after: number | undefined): void {
    this.followed.set(roomId, { lastV: after, state: 'wanted', requestId: undefined, gapAfter: null, pingedHead: 0 });
    this.changed = true;
  }

  /** Stops following a room. */
  leave(roomId: string): void {
    const room = this.followed.get(roomId);
    if (!room) return;
    room.state = 'unwanted';
    this.changed = true;
  }

  /** Returns true if a room is followed or requested. */
  has(roomId: string): boolean {
    const room = this.followed.get(roomId);
    return room !== undefined && room.state !== 'unwanted';
  }

  /** Returns true if the connection follows a room. */
  isFollowing(roomId: string): boolean {
    return this.followed.get(roomId)?.state === 'following';
  }

  /** Returns the last delivered version of a room. */
  lastV(roomId: string): number | undefined {
    return this.followed.get(roomId)?.lastV;
  }

  /** Returns the rooms to request in the hello of a new connection. */
  hello(): { room_id: string; v?: number }[] {
    let left = HELLO_BYTES;
    this.changed = true;
    const asked = [];
    for (const [roomId, room] of this.followed) {
      if (room.state === 'unwanted') continue;
      room.gapAfter = null;
      room.pingedHead = 0;
      room.state = 'wanted';
      // Upper bound of the field names and a version. Ids of rooms are ASCII.
      const bytes = roomId.length + 40;
      if (bytes > left) continue;
      left -= bytes;
      room.state = 'requested';
      room.requestId = undefined;
      asked.push(room.lastV === undefined ? { room_id: roomId } : { room_id: roomId, v: room.lastV });
    }
    return asked;
  }

  /** Returns true if `nextChange` may return a change. */
  isChanged(): boolean {
    return this.changed;
  }

  /** Returns the next change to send to the server. */
  nextChange(): Change | undefined {
    for (const [roomId, room] of this.followed) {
      if (room.state === 'unwanted') {
        this.followed.delete(roomId);
        return { end: roomId };
      }
      if (room.state === 'wanted') {
        this.lastId += 1;
        room.state = 'requested';
        room.requestId = this.lastId;
        const v = room.lastV === undefined ? {} : { v: room.lastV };
        return { subscribe: { type: 'subscribe', id: this.lastId, room_id: roomId, ...v } };
      }
    }
    this.changed = false;
    return undefined;
  }

  /** Returns true if a room was refused temporarily. */
  anyPostponed(): boolean {
    return this.postponed;
  }

  /** Requests temporarily refused rooms again. */
  retry(): void {
    this.postponed = false;
    for (const room of this.followed.values()) {
      if (room.state !== 'postponed') continue;
      room.state = 'wanted';
      this.changed = true;
    }
  }

  /** Applies a frame of the server. Returns the item to deliver, if there is one. */
  onFrame(frame: Frame): Item | undefined {
    if ('event' in frame) return this.onEvent(frame.event);
    const other = frame.other;
    switch (other.type) {
      case 'subscribed':
        return this.onSubscribed(other);
      case 'unsubscribed':
        return this.onUnsubscribed(other.room_id, other.reason);
      case 'reset':
        return other.room_id ? this.onReset(other.room_id, other.reason, other.head_v ?? 0) : undefined;
      case 'error':
        return this.onError(other);
      case 'ping':
        this.compare(other.heads);
        return undefined;
      default:
        return undefined;
    }
  }

  /** Returns true if this event is the next one of a followed room. */
  isNext(event: RoomEvent): boolean {
    return this.followed.get(event.room_id)?.lastV === event.v - 1;
  }

  private onEvent(event: RoomEvent): Item | undefined {
    const room = this.followed.get(event.room_id);
    // Events that arrive before the answer to a request for new events only are old.
    if (!room || room.lastV === undefined || room.state === 'unwanted') return undefined;
    if (event.v === room.lastV + 1) {
      room.lastV = event.v;
      return { type: 'event', data: event };
    }
    // Events that arrive before the answer to a request were already on the way.
    if (event.v > room.lastV && room.state === 'following') this.requestMissing(event.room_id, room);
    return undefined;
  }

  private onSubscribed(frame: ServerFrame & { type: 'subscribed' }): Item | undefined {
    const room = this.asked(frame.id ?? undefined, frame.room_id);
    if (!room) return undefined;
    room.state = 'following';
    room.lastV ??= frame.head_v;
    const { room_id, head_v, recovered } = frame;
    return { type: 'subscribed', data: { room_id, head_v, recovered } };
  }

  private onError(frame: ServerFrame & { type: 'error' }): Item | undefined {
    if (!frame.room_id) return undefined;
    const room = this.asked(frame.id ?? undefined, frame.room_id);
    if (!room) return undefined;
    if (TEMPORARY.includes(frame.code)) {
      room.state = 'postponed';
      this.postponed = true;
      return undefined;
    }
    this.followed.delete(frame.room_id);
    const reason = { kind: 'refused' as const, code: frame.code, detail: frame.detail };
    return { type: 'ended', data: { room_id: frame.room_id, reason } };
  }

  /** Returns the room that this answer belongs to; undefined for an answer to an older request. */
  private asked(id: FrameId | undefined, roomId: string): Room | undefined {
    const room = this.followed.get(roomId);
    return room?.state === 'requested' && room.requestId === id ? room : undefined;
  }

  private onUnsubscribed(roomId: string, reason: string): Item | undefined {
    // Otherwise it ends an older subscription of a room that has been requested again.
    if (!this.isFollowing(roomId)) return undefined;
    this.followed.delete(roomId);
    return { type: 'ended', data: { room_id: roomId, reason: { kind: 'parted', reason } } };
  }

  private onReset(roomId: string, reason: string, headV: number): Item | undefined {
    const room = this.followed.get(roomId);
    if (!room || room.state === 'unwanted') return undefined;
    room.lastV = headV;
    room.gapAfter = null;
    return { type: 'reset', data: { room_id: roomId, reason, head_v: headV } };
  }

  /** Compares head versions with delivered versions, to find lost events at the end of a feed. */
  private compare(heads: Record<string, number>): void {
    for (const [roomId, headV] of Object.entries(heads)) {
      const room = this.followed.get(roomId);
      if (room?.state !== 'following') continue;
      if ((room.lastV ?? -1) < room.pingedHead) this.requestMissing(roomId, room);
      room.pingedHead = headV;
    }
  }

  /** Requests the missing events. The same gap twice on one connection is an error. */
  private requestMissing(roomId: string, room: Room): void {
    if (room.gapAfter === room.lastV) {
      throw new ProtocolViolation(`no event of ${roomId} follows version ${room.lastV ?? 0}`);
    }
    room.gapAfter = room.lastV;
    room.state = 'wanted';
    this.changed = true;
  }
}
