/** Rooms as an application shows them. */

export { boxOf, indexedDatabase, memoryDatabase, type Change, type Database, type Draft } from './database.js';
export {
  Fold,
  snapshotWithoutUser,
  withoutMessage,
  withoutTexts,
  type Member,
  type Message,
  type RoomInfo,
  type Snapshot,
} from './fold.js';
export { Outbox, type OutboxOptions, type OutboxRoom } from './outbox.js';
export { StoredRoom } from './room.js';
export { RoomStore } from './store.js';
