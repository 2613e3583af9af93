/** The hooks. */

import type { Boxroom } from '@boxroom/client';
import { createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from 'react';
import type { AlarmsState } from './core/alarms.js';
import type { Chat } from './core/chat.js';
import type { PresenceState } from './core/presence.js';
import type { MessagesState, RoomModel, RoomState } from './core/room.js';
import type { RoomsState } from './core/rooms.js';
import type { ConnectionState, MemberView } from './core/types.js';
import { Value } from './core/value.js';

const Context = createContext<Chat | undefined>(undefined);

/** Gives a chat to the components below it. The chat is not closed with it. */
export function BoxroomProvider({ chat, children }: { chat: Chat; children: ReactNode }) {
  return <Context.Provider value={chat}>{children}</Context.Provider>;
}

/** The chat of the provider. */
export function useChat(): Chat {
  const chat = useContext(Context);
  if (!chat) throw new Error('this component needs a BoxroomProvider above it');
  return chat;
}

/** The client of the provider, for requests. */
export function useBoxroom(): Boxroom {
  return useChat().client;
}

function useValue<T>(value: Value<T>): T {
  return useSyncExternalStore(value.subscribe, value.get, value.get);
}

/** The state of the live connection. */
export function useConnection(): ConnectionState {
  return useValue(useChat().connection);
}

/** The user's rooms, with unread counts and last messages. */
export function useRooms(): RoomsState & { reload: () => Promise<void>; loadMore: () => Promise<void> } {
  const { rooms } = useChat();
  const state = useValue(rooms.state);
  return useMemo(() => ({ ...state, reload: () => rooms.reload(), loadMore: () => rooms.loadMore() }), [rooms, state]);
}

/** The user's alarms. */
export function useAlarms(): AlarmsState & {
  reload: () => Promise<void>;
  loadMore: () => Promise<void>;
  markRead: () => Promise<void>;
} {
  const { alarms } = useChat();
  const state = useValue(alarms.state);
  return useMemo(
    () => ({
      ...state,
      reload: () => alarms.reload(),
      loadMore: () => alarms.loadMore(),
      markRead: () => alarms.markRead(),
    }),
    [alarms, state],
  );
}

/** The users that the user has blocked. */
export function useBlocks(): ReadonlySet<string> {
  return useValue(useChat().blocks);
}

/** Returns a function that returns the nickname of a user: the id until it is known, null for erased users. */
export function useNames(): (userId: string) => string | null {
  const { names } = useChat();
  const known = useValue(names.known);
  return useMemo(
    () => (userId: string) => {
      const name = known.get(userId);
      if (name !== undefined) return name;
      // Components call this while they are rendered: a read must not begin before.
      queueMicrotask(() => names.want([userId]));
      return userId;
    },
    [names, known],
  );
}

const LOADING: RoomState = { status: 'loading', members: [], place: 'inside', behind: true };
const NO_MESSAGES: MessagesState = {
  messages: [],
  notices: [],
  drafts: [],
  hasEarlier: false,
  hasLater: false,
  loading: undefined,
  newBelow: 0,
  firstUnread: undefined,
};
const NO_PRESENCE: PresenceState = { inside: [], typing: [], markers: {} };

/** Follows a room while the component is mounted. */
function useModel(roomId: string): RoomModel | undefined {
  const chat = useChat();
  const [followed, setFollowed] = useState<{ chat: Chat; model: RoomModel }>();
  useEffect(() => {
    const model = chat.acquire(roomId);
    setFollowed({ chat, model });
    return () => chat.release(roomId);
  }, [chat, roomId]);
  return followed?.chat === chat && followed.model.roomId === roomId ? followed.model : undefined;
}

function useModelValue<T>(model: RoomModel | undefined, pick: (model: RoomModel) => Value<T>, empty: T): T {
  const [placeholder] = useState(() => new Value(empty));
  return useValue(model ? pick(model) : placeholder);
}

/** The card and the members of a room. */
export function useRoom(roomId: string): RoomState & { me: MemberView | undefined; retry: () => void } {
  const chat = useChat();
  const model = useModel(roomId);
  const state = useModelValue(model, (room) => room.state, LOADING);
  return useMemo(() => {
    const me = state.members.find(({ user_id }) => user_id === chat.userId);
    return { ...state, me, retry: () => void model?.open() };
  }, [chat, model, state]);
}

/** The actions on the messages of a room. */
export type MessageActions = Pick<
  RoomModel,
  | 'loadEarlier'
  | 'loadLater'
  | 'jumpTo'
  | 'jumpToNewest'
  | 'jumpToDate'
  | 'send'
  | 'retry'
  | 'discard'
  | 'react'
  | 'markRead'
  | 'find'
> & {
  edit: (messageId: string, body: string) => Promise<void>;
  remove: (messageId: string) => Promise<void>;
};

/** A window of the messages of a room, and the actions on them. */
export function useMessages(roomId: string): MessagesState & Partial<MessageActions> {
  const chat = useChat();
  const model = useModel(roomId);
  const state = useModelValue(model, (room) => room.messages, NO_MESSAGES);
  const actions = useMemo(() => (model ? actionsOf(chat, model) : {}), [chat, model]);
  return useMemo(() => ({ ...state, ...actions }), [state, actions]);
}

function actionsOf({ client }: Chat, model: RoomModel): MessageActions {
  const { roomId: room } = model;
  return {
    loadEarlier: () => model.loadEarlier(),
    loadLater: () => model.loadLater(),
    jumpTo: (id) => model.jumpTo(id),
    jumpToNewest: () => model.jumpToNewest(),
    jumpToDate: (time) => model.jumpToDate(time),
    send: (body, replyTo) => model.send(body, replyTo),
    retry: (key) => model.retry(key),
    discard: (key) => model.discard(key),
    react: (id, emoji) => model.react(id, emoji),
    markRead: (id) => model.markRead(id),
    find: (id) => model.find(id),
    edit: async (message, body) => void (await client.api.editMessage({ room, message, body: { body } })),
    remove: async (message) => void (await client.api.deleteMessage({ room, message })),
  };
}

/** The number of unread messages: of one room, or of all open rooms that are not muted. */
export function useUnread(roomId?: string): number {
  const { rooms, unread } = useValue(useChat().rooms.state);
  return roomId === undefined ? unread : (rooms.find(({ room_id }) => room_id === roomId)?.unread ?? 0);
}

/** Users who are inside a room and typing there, and how far members have read. */
export function usePresence(roomId: string): PresenceState & { tellTyping: () => void } {
  const model = useModel(roomId);
  const state = useModelValue(model, (room) => room.presence.state, NO_PRESENCE);
  return useMemo(() => ({ ...state, tellTyping: () => model?.tellTyping() }), [model, state]);
}
