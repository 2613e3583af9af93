/** React hooks for Boxroom. */

export type { AlarmsState } from './core/alarms.js';
export { Chat, type ChatOptions } from './core/chat.js';
export { compareIds, isLater } from './core/ids.js';
export type { PresenceState } from './core/presence.js';
export type { MessagesState, RoomState } from './core/room.js';
export type { RoomsState } from './core/rooms.js';
export type {
  AlarmView,
  ChatMessage,
  ConnectionState,
  MemberView,
  MessageView,
  MyRoomView,
  Notice,
  Place,
  RoomView,
} from './core/types.js';
export {
  BoxroomProvider,
  useAlarms,
  useBlocks,
  useBoxroom,
  useChat,
  useConnection,
  useMessages,
  useNames,
  usePresence,
  useRoom,
  useRooms,
  useUnread,
  type MessageActions,
} from './hooks.js';
