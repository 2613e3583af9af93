/** The data of the hooks. */

import type { QueryComponents } from '@boxroom/client';

type Views = QueryComponents['schemas'];

export type RoomView = Views['RoomView'];
export type MemberView = Views['MemberView'];
export type MessageView = Views['MessageView'];
export type MyRoomView = Views['MyRoomView'];
export type AlarmView = Views['Page_AlarmView']['items'][number];

/** A message of a conversation. */
export interface ChatMessage {
  readonly message_id: string;
  readonly author: string;
  /** The text; null if the message was deleted. */
  readonly body: string | null;
  readonly posted_at: string;
  readonly edited_at?: string;
  readonly deleted: boolean;
  readonly erased: boolean;
  readonly reply_to: string | null;
  readonly mentions: readonly string[];
  readonly mentions_all: boolean;
  /** The users who reacted, by emoji, in the order of their reactions. */
  readonly reactions: Readonly<Record<string, readonly string[]>>;
}

/** An event of a room that a conversation shows between its messages. */
export interface Notice {
  readonly v: number;
  readonly type: string;
  readonly at: string;
  readonly by: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The user's relation to a room. */
export type Place = 'inside' | 'left' | 'kicked' | 'closed';

/** The state of the connection. `behind`: connected, and missed events are on the way. */
export type ConnectionState = 'live' | 'behind' | 'reconnecting' | 'offline' | 'stopped';
