/** The items that a live client delivers. */

import type { components } from '../generated/live.js';
import type { RoomEventType } from '../generated/names.js';

type Schemas = components['schemas'];

/** An event of a type that this release of the client knows. */
export type KnownRoomEvent = Schemas[RoomEventType];

/** An event of a room's feed. Its type may be one of a later release: use `isEvent` to narrow it. */
export interface RoomEvent {
  room_id: string;
  /** The feed version: 1, 2, 3 … in each room. */
  v: number;
  type: RoomEventType | (string & {});
  at: string;
  /** The acting user; null for the system. */
  by: string | null;
  data: unknown;
  /** The `Idempotency-Key` of the client's own command that caused the event. */
  command_id?: string;
}

/** Narrows an event to a type. */
export function isEvent<T extends RoomEventType>(event: RoomEvent, type: T): event is RoomEvent & Schemas[T] {
  return event.type === type;
}

/** An alarm of the user. */
export type Alarm = Omit<Schemas['alarm'], 'type' | 'kind'> & { kind: Schemas['alarm']['kind'] | (string & {}) };

/** A room of the lobby. */
export type LobbyRoom = Schemas['lobby']['rooms'][number];

/** A transient signal in a followed room. Signals may be lost, and the next one replaces the last. */
export type Signal =
  | { room_id: string; kind: 'typing'; user_id: string }
  | { room_id: string; kind: 'presence'; users: string[] }
  | { room_id: string; kind: 'read'; markers: Record<string, string> };

/** The user's standing in a room. */
export type Standing = 'inside' | 'left' | 'kicked' | 'closed' | 'unknown';

/** The reason why there is no connection. */
export type Loss =
  | { kind: 'unreachable'; detail: string }
  | { kind: 'no_token'; detail: string }
  | { kind: 'closed'; code: number; reason: string }
  | { kind: 'broken'; detail: string }
  | { kind: 'silent' }
  | { kind: 'protocol_violation'; detail: string }
  /** The application processes items too slowly, and the transport cannot be paused. */
  | { kind: 'overloaded' };

/** The reason why a room is not followed any more. */
export type Ending =
  | { kind: 'requested' }
  /** The user is not a member any more, or the room is closed. */
  | { kind: 'parted'; reason: string }
  | { kind: 'refused'; code: string; detail: string };

/** The reason why a client has stopped for good. */
export interface Stop {
  kind: 'token_refused' | 'refused';
  code: number;
  reason: string;
}

/** The data of each item, by its type. */
export interface Items {
  /** The next event of a followed room: the version after the last one. */
  event: RoomEvent;
  /** A room is being followed; repeated after every interruption. If `recovered`, all events since the last follow. */
  subscribed: { room_id: string; head_v: number; recovered: boolean };
  /** The last item of a room. */
  ended: { room_id: string; reason: Ending };
  /**
   * The room continues after `head_v`. Either the last version is unknown in this room, and its state must be read
   * again, or the user is `no-longer-inside`, and the next event is the parting event.
   */
  reset: { room_id: string; reason: string; head_v: number };
  signal: Signal;
  /** A new alarm from any room, or a changed one, which replaces the one with the same id. */
  alarm: Alarm;
  /** An alarm was withdrawn. The client may not know it. */
  alarm_withdrawn: { id: string };
  /** All alarms that messages of a user have caused in rooms of a box were withdrawn: the user was erased. */
  alarms_withdrawn: { box_id: string; by: string };
  /** The number of unread alarms; 1000 stands for more. `up_to` marks all alarms before this item as read. */
  unread_alarms: { unread: number; up_to?: string };
  /** Alarms may have been missed: read the list of alarms again. */
  alarms_reset: { reason: string };
  /** The users whom the user has blocked, in place of earlier ones. A connection begins without any. */
  blocks: { users: string[] };
  /** The unread messages of all open rooms of the user. Delivered on every connection, and followed by changes. */
  my_rooms: Record<string, number>;
  /** The user's standing in a room has changed. */
  membership: { room_id: string; standing: Standing; at?: string };
  /** The number of unread messages in a room of the user has changed. */
  unread: { room_id: string; unread: number };
  /** All open rooms of the followed area. Delivered on every connection, and followed by changes. */
  lobby: { rooms: LobbyRoom[] };
  /** Rooms of the area that are new or changed, and the ids of those that have gone. */
  lobby_changed: { rooms: LobbyRoom[]; removed: string[] };
  /** The area is not followed. With `too-many-areas` it is requested again on the next connection. */
  lobby_refused: { code: string; detail: string };
  /** A query-service has accepted the token. */
  connected: { url: string; transport: 'websocket' | 'sse' };
  /** The connection was lost, or an attempt to connect has failed. The client tries again. */
  disconnected: { reason: Loss; retry_in_ms: number };
  /** The last item: the client has stopped for good. */
  stopped: Stop;
}

/** The type of an item. */
export type ItemType = keyof Items;

/** An item of a live client. */
export type Item = { [T in ItemType]: { type: T; data: Items[T] } }[ItemType];

/** A page of a room's feed. */
export interface Page {
  events: RoomEvent[];
  /** The version after which the next page begins. */
  to_v: number;
  /** The version of the feed's last event. */
  head_v: number;
}
