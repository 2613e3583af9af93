/** REST and live client of Boxroom. */

export { Boxroom, type BoxroomOptions } from './client.js';
export type { components as CommandComponents } from './generated/command.js';
export type { ProblemCode, RoomEventType } from './generated/names.js';
export type { components as QueryComponents } from './generated/query.js';
export { FetchError } from './live/fetches.js';
export {
  isEvent,
  type Alarm,
  type Ending,
  type Item,
  type ItemType,
  type Items,
  type KnownRoomEvent,
  type LobbyRoom,
  type Loss,
  type Page,
  type RoomEvent,
  type Signal,
  type Standing,
  type Stop,
} from './live/items.js';
export { Live, Refused, type After, type LiveOptions } from './live/live.js';
export type { LobbyArea } from './live/lobby.js';
export type { WebSocketConstructor, WebSocketLike } from './live/socket.js';
export type { Api, OperationName, ParamsOf, ResultOf } from './rest/api.js';
export type { ExportLine, ExportOptions } from './rest/export.js';
export type { Answer, RequestOptions } from './rest/http.js';
export { NetworkError, Problem, readProblem, type FieldError } from './rest/problem.js';
export {
  memoryStorage,
  SignedOut,
  tabsStorage,
  webStorage,
  type SessionStorage,
  type StoredSession,
} from './session.js';
export type { TokenSource, Tokens } from './tokens.js';
export { uuidv7 } from './uuid.js';
