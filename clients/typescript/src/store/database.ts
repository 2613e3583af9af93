/** The places of a store: memory, or IndexedDB. */

import type { RoomEvent } from '../live/items.js';
import { snapshotWithoutUser, withoutTexts, type Snapshot } from './fold.js';

/** The number of events of a room that a database keeps. Older ones are read from the service again. */
export const MAX_EVENTS = 2000;

/** A message that is being sent. */
export interface Draft {
  /** The `Idempotency-Key` of the command, and the id of the draft. */
  key: string;
  room_id: string;
  body: string;
  reply_to: string | undefined;
  created_at: number;
  /** The version of the room when the draft was written: the event of its message is a later one. */
  after_v: number;
  /**
   * `sending`; `stored`: accepted, its event has not arrived; `held`: a moderator decides about it, and its event may
   * arrive later; `failed`: refused, or not known to be stored.
   */
  state: 'sending' | 'stored' | 'held' | 'failed';
  /** The code of the problem of a failed draft; `network` without an answer, `expired` if it is too old to be sent. */
  code?: string;
}

/** Changes of a room, which are stored together. */
export interface Change {
  events?: readonly RoomEvent[];
  snapshot?: Snapshot;
  drafts?: readonly Draft[];
  /** The keys of drafts to remove. */
  sent?: readonly string[];
  /** Removes all events and the snapshot first. */
  clear?: boolean;
}

/** The place of a store. */
export interface Database {
  /** Returns the last events before a version, consecutive and in order, without those after a gap. */
  events(roomId: string, limit: number, beforeV?: number): Promise<RoomEvent[]>;
  snapshot(roomId: string): Promise<Snapshot | undefined>;
  /** Returns the drafts of a room, the oldest first. */
  drafts(roomId: string): Promise<Draft[]>;
  /** Stores changes of a room, all or none. */
  apply(roomId: string, change: Change): Promise<void>;
  /** Removes the texts of an erased user from all rooms of a box with `withoutTexts`, and remembers the user. */
  erase(boxId: string, author: string): Promise<void>;
  /** Returns the erased users of a box. */
  erased(boxId: string): Promise<string[]>;
  /** Removes the events and snapshots of all rooms. Drafts, erased users and the cursor remain. */
  forget(): Promise<void>;
  /** Returns the last live cursor that was stored: all erasures before it are applied. */
  cursor(): Promise<string | undefined>;
  setCursor(cursor: string): Promise<void>;
  /** Removes everything, as at a sign-out. */
  clear(): Promise<void>;
  close(): void;
}

/** Returns the box of a room. */
export function boxOf(roomId: string): string {
  return roomId.slice(0, roomId.lastIndexOf('.'));
}

/** Keeps the rooms in memory. */
export function memoryDatabase(): Database {
  const events = new Map<string, Map<number, RoomEvent>>();
  const snapshots = new Map<string, Snapshot>();
  const drafts = new Map<string, Draft>();
  const erased = new Map<string, Set<string>>();
  let cursor: string | undefined;
  const of = (roomId: string) => {
    const found = events.get(roomId) ?? new Map<number, RoomEvent>();
    events.set(roomId, found);
    return found;
  };
  return {
    events: async (roomId, limit, beforeV = Infinity) => {
      const stored = of(roomId);
      const versions = [...stored.keys()].filter((v) => v < beforeV).sort((a, b) => b - a);
      return consecutive(versions.slice(0, limit).map((v) => stored.get(v) as RoomEvent));
    },
    snapshot: async (roomId) => snapshots.get(roomId),
    drafts: async (roomId) =>
      [...drafts.values()].filter((draft) => draft.room_id === roomId).sort((a, b) => (a.key < b.key ? -1 : 1)),
    apply: async (roomId, change) => {
      if (change.clear) {
        events.delete(roomId);
        snapshots.delete(roomId);
      }
      const stored = of(roomId);
      for (const event of change.events ?? []) stored.set(event.v, event);
      const lastV = Math.max(0, ...stored.keys());
      for (const v of stored.keys()) if (v <= lastV - MAX_EVENTS) stored.delete(v);
      if (change.snapshot) snapshots.set(roomId, change.snapshot);
      for (const draft of change.drafts ?? []) drafts.set(draft.key, { ...draft });
      for (const key of change.sent ?? []) drafts.delete(key);
    },
    erase: async (boxId, author) => {
      erased.set(boxId, (erased.get(boxId) ?? new Set()).add(author));
      for (const [roomId, stored] of events) {
        if (boxOf(roomId) !== boxId) continue;
        for (const [v, event] of stored) stored.set(v, withoutTexts(event, author));
      }
      for (const [roomId, snapshot] of snapshots) {
        if (boxOf(roomId) === boxId) snapshots.set(roomId, snapshotWithoutUser(snapshot, author));
      }
    },
    erased: async (boxId) => [...(erased.get(boxId) ?? [])],
    forget: async () => {
      events.clear();
      snapshots.clear();
    },
    cursor: async () => cursor,
    setCursor: async (next) => {
      cursor = next;
    },
    clear: async () => {
      events.clear();
      snapshots.clear();
      drafts.clear();
      erased.clear();
      cursor = undefined;
    },
    close: () => {},
  };
}

/** Keeps the rooms in IndexedDB, across reloads. Use one name for each user. */
export async function indexedDatabase(name: string, factory: IDBFactory = indexedDB): Promise<Database> {
  const opening = factory.open(name, 2);
  opening.onupgradeneeded = ({ oldVersion }) => {
    const database = opening.result;
    if (oldVersion < 1) {
      database.createObjectStore('events', { keyPath: ['room_id', 'v'] });
      database.createObjectStore('snapshots');
      database.createObjectStore('drafts', { keyPath: 'key' }).createIndex('room', ['room_id', 'key']);
    }
    database.createObjectStore('erased', { keyPath: ['box_id', 'user_id'] });
    database.createObjectStore('state');
  };
  const database = await answer(opening);
  // A later release may change the database in another tab.
  database.onversionchange = () => database.close();
  const read = (store: string) => database.transaction(store).objectStore(store);
  const write = async (change: (store: (name: string) => IDBObjectStore) => void) => {
    const transaction = database.transaction([...database.objectStoreNames], 'readwrite');
    const done = complete(transaction);
    change((name) => transaction.objectStore(name));
    await done;
  };
  const between = (low: unknown[], high: unknown[]) => ({ low, high });
  return {
    events: async (roomId, limit, beforeV = Number.MAX_SAFE_INTEGER) => {
      const { low, high } = between([roomId, 0], [roomId, beforeV]);
      const cursor = read('events').openCursor(rangeOf(low, high, true), 'prev');
      const found = await collect<RoomEvent>(cursor, limit);
      return consecutive(found);
    },
    snapshot: (roomId) => answer(read('snapshots').get(roomId)),
    drafts: (roomId) =>
      answer(
        read('drafts')
          .index('room')
          .getAll(rangeOf([roomId], [roomId, []], false)),
      ),
    apply: (roomId, change) =>
      write((store) => {
        const events = store('events');
        const snapshots = store('snapshots');
        const drafts = store('drafts');
        if (change.clear) {
          events.delete(rangeOf([roomId, 0], [roomId, Number.MAX_SAFE_INTEGER], false));
          snapshots.delete(roomId);
        }
        for (const event of change.events ?? []) events.put(event);
        const lastV = Math.max(0, ...(change.events ?? []).map(({ v }) => v));
        if (lastV > MAX_EVENTS) events.delete(rangeOf([roomId, 0], [roomId, lastV - MAX_EVENTS], false));
        if (change.snapshot) snapshots.put(change.snapshot, roomId);
        for (const draft of change.drafts ?? []) drafts.put(draft);
        for (const key of change.sent ?? []) drafts.delete(key);
      }),
    erase: (boxId, author) =>
      write((store) => {
        store('erased').put({ box_id: boxId, user_id: author });
        const isOfBox = (roomId: string) => boxOf(roomId) === boxId;
        const ofEvents = rangeOf([`${boxId}.`], [`${boxId}.\uffff`], false);
        replace<RoomEvent>(store('events').openCursor(ofEvents), (event) =>
          isOfBox(event.room_id) ? withoutTexts(event, author) : event,
        );
        const ofSnapshots = IDBKeyRange.bound(`${boxId}.`, `${boxId}.\uffff`);
        replace<Snapshot>(store('snapshots').openCursor(ofSnapshots), (snapshot, roomId) =>
          isOfBox(String(roomId)) ? snapshotWithoutUser(snapshot, author) : snapshot,
        );
      }),
    erased: async (boxId) => {
      const found = await answer(read('erased').getAll(rangeOf([boxId], [boxId, []], false)));
      return found.map(({ user_id }: { user_id: string }) => user_id);
    },
    forget: () =>
      write((store) => {
        store('events').clear();
        store('snapshots').clear();
      }),
    cursor: () => answer(read('state').get('cursor')),
    setCursor: async (cursor) => {
      const transaction = database.transaction('state', 'readwrite');
      transaction.objectStore('state').put(cursor, 'cursor');
      await complete(transaction);
    },
    clear: () =>
      write((store) => {
        for (const name of database.objectStoreNames) store(name).clear();
      }),
    close: () => database.close(),
  };
}

/** Returns events that come last first in order, up to the first gap. */
function consecutive(latestFirst: RoomEvent[]): RoomEvent[] {
  const gap = latestFirst.findIndex(
    (event, index) => index > 0 && event.v !== (latestFirst[index - 1] as RoomEvent).v - 1,
  );
  return (gap < 0 ? latestFirst : latestFirst.slice(0, gap)).reverse();
}

/** Returns a range of keys without its upper end, if `open`. */
function rangeOf(low: unknown[], high: unknown[], open: boolean): IDBKeyRange {
  return IDBKeyRange.bound(low, high, false, open);
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function complete(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

/** Replaces the values of a cursor that change. */
function replace<T>(
  request: IDBRequest<IDBCursorWithValue | null>,
  change: (value: T, key: IDBValidKey) => T,
): void {
  request.onsuccess = () => {
    const cursor = request.result;
    if (!cursor) return;
    const changed = change(cursor.value, cursor.key);
    if (changed !== cursor.value) cursor.update(changed);
    cursor.continue();
  };
}

function collect<T>(request: IDBRequest<IDBCursorWithValue | null>, limit: number): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const found: T[] = [];
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (!cursor || found.length >= limit) return resolve(found);
      found.push(cursor.value);
      cursor.continue();
    };
  });
}
