/** Everything that a signed-in user sees, kept up to date by one live connection. */

import type { Boxroom } from '@boxroom/client';
import { memoryDatabase, type Database } from '@boxroom/client/store';
import { AlarmList } from './alarms.js';
import { Names } from './names.js';
import { RoomModel } from './room.js';
import { RoomList } from './rooms.js';
import type { ConnectionState } from './types.js';
import { Value } from './value.js';

/** The time for which a room is followed after its last use, in milliseconds. */
const LINGER_MS = 500;

/** The options of a chat. */
export interface ChatOptions {
  client: Boxroom;
  /** The id of the signed-in user. */
  userId: string;
  /** The place of messages that are being sent. Default: memory. */
  database?: Database;
}

/** A followed room, and the number of its users. */
interface OpenRoom {
  model: RoomModel;
  uses: number;
  timer?: ReturnType<typeof setTimeout>;
}

/** The chat of a signed-in user. */
export class Chat {
  readonly client: Boxroom;
  readonly userId: string;
  readonly connection = new Value<ConnectionState>('reconnecting');
  /** The users that the user has blocked. */
  readonly blocks = new Value<ReadonlySet<string>>(new Set());
  readonly names: Names;
  readonly rooms: RoomList;
  readonly alarms: AlarmList;
  private readonly database: Database;
  private readonly open = new Map<string, OpenRoom>();
  private readonly stops: (() => void)[] = [];
  private connected = false;
  private stopped = false;
  private closed = false;

  constructor({ client, userId, database = memoryDatabase() }: ChatOptions) {
    this.client = client;
    this.userId = userId;
    this.database = database;
    this.names = new Names(client);
    this.rooms = new RoomList(client, this.names);
    this.alarms = new AlarmList(client, this.names);
    this.listen();
    client.live.connect();
    const stop = this.rooms.state.subscribe(() => {
      if (this.rooms.state.get().status !== 'ready') return;
      stop();
      void this.sendDrafts();
    });
    this.stops.push(stop);
    void this.rooms.reload();
    void this.alarms.reload();
  }

  /** Follows a room. Call `release` as often. */
  acquire(roomId: string): RoomModel {
    let entry = this.open.get(roomId);
    if (!entry) {
      const { client, userId, database, names } = this;
      const context = { client, userId, database, names, onBehind: () => this.check() };
      entry = { model: new RoomModel(roomId, context), uses: 0 };
      this.open.set(roomId, entry);
    }
    clearTimeout(entry.timer);
    entry.uses += 1;
    return entry.model;
  }

  release(roomId: string): void {
    const entry = this.open.get(roomId);
    if (!entry) return;
    entry.uses -= 1;
    if (entry.uses > 0) return;
    clearTimeout(entry.timer);
    this.leaveLater(roomId, entry);
  }

  /** The model of a followed room. */
  room(roomId: string): RoomModel | undefined {
    return this.open.get(roomId)?.model;
  }

  /** Stops everything, and closes the live connection. */
  close(): void {
    this.closed = true;
    for (const stop of this.stops) stop();
    for (const { model, timer } of this.open.values()) {
      clearTimeout(timer);
      model.close();
    }
    this.open.clear();
    this.rooms.close();
    this.names.close();
    this.client.close();
    this.database.close();
  }

  /** Removes everything that is stored on this device, as at a sign-out. */
  async clear(): Promise<void> {
    await this.database.clear();
  }

  /** Sends what an earlier page has not sent, also in rooms that are not shown. */
  private async sendDrafts(): Promise<void> {
    for (const { room_id, status } of this.rooms.state.get().rooms) {
      const drafts = status === 'open' ? await this.database.drafts(room_id).catch(() => []) : [];
      if (this.closed) return;
      if (!drafts.some(({ state }) => state === 'sending')) continue;
      this.acquire(room_id);
      this.release(room_id);
    }
  }

  private leaveLater(roomId: string, entry: OpenRoom): void {
    entry.timer = setTimeout(() => {
      // Messages that are on their way are sent, also after the user has left the view.
      if (entry.model.isSending) return this.leaveLater(roomId, entry);
      this.open.delete(roomId);
      entry.model.close();
      this.check();
    }, LINGER_MS);
  }

  private listen(): void {
    const { live } = this.client;
    const { rooms, alarms, stops } = this;
    stops.push(
      live.on('connected', () => {
        this.connected = true;
        this.repeatFailed();
        this.check();
      }),
      live.on('disconnected', () => {
        this.connected = false;
        for (const { model } of this.open.values()) model.onDisconnected();
        this.check();
      }),
      live.on('stopped', () => {
        this.stopped = true;
        this.check();
      }),
      live.on('event', (event) => this.room(event.room_id)?.onEvent(event)),
      live.on('subscribed', (data) => this.room(data.room_id)?.onSubscribed(data)),
      live.on('reset', (data) => this.room(data.room_id)?.onReset(data)),
      live.on('ended', (data) => this.room(data.room_id)?.onEnded(data)),
      live.on('signal', (data) => this.room(data.room_id)?.onSignal(data)),
      live.on('my_rooms', (data) => rooms.onMyRooms(data)),
      live.on('unread', (data) => rooms.onUnread(data)),
      live.on('membership', () => rooms.touch()),
      live.on('alarm', (alarm) => alarms.onAlarm(alarm)),
      live.on('alarm_withdrawn', ({ id }) => alarms.onWithdrawn((alarm) => alarm.id === id)),
      live.on('alarms_withdrawn', ({ box_id, by }) => this.onErased(box_id, by)),
      live.on('unread_alarms', (data) => alarms.onUnread(data)),
      live.on('alarms_reset', () => void alarms.reload()),
      live.on('blocks', ({ users }) => {
        this.blocks.set(new Set(users));
        void alarms.reload();
        rooms.touch();
      }),
    );
    if (typeof addEventListener !== 'function') return;
    const onNetwork = () => this.check();
    for (const type of ['online', 'offline']) {
      addEventListener(type, onNetwork);
      stops.push(() => removeEventListener(type, onNetwork));
    }
  }

  /** Reads again what could not be read while there was no network. */
  private repeatFailed(): void {
    for (const { model } of this.open.values()) {
      const { status, code } = model.state.get();
      if (status === 'failed' && code === 'network') void model.open();
    }
    if (this.alarms.state.get().status === 'failed') void this.alarms.reload();
  }

  private onErased(boxId: string, by: string): void {
    const isOfBox = (roomId: string) => roomId.startsWith(`${boxId}.`);
    this.alarms.onWithdrawn((alarm) => isOfBox(alarm.room_id) && alarm.by === by);
    for (const [roomId, { model }] of this.open) if (isOfBox(roomId)) model.erase(by);
  }

  private check(): void {
    const isOffline = typeof navigator !== 'undefined' && navigator.onLine === false;
    const isBehind = [...this.open.values()].some(({ model }) => model.state.get().behind);
    this.connection.set(
      this.stopped
        ? 'stopped'
        : isOffline
          ? 'offline'
          : !this.connected
            ? 'reconnecting'
            : isBehind
              ? 'behind'
              : 'live',
    );
  }
}
