/** The frames of `boxroom.v1`. */

import type { components } from '../generated/live.js';
import type { ClientFrameType, ServerFrameType } from '../generated/names.js';
import type { RoomEvent } from './items.js';

type Schemas = components['schemas'];

/** A frame that a client sends. */
export type ClientFrame = Schemas[ClientFrameType];

/** A frame that the server sends, except events. */
export type ServerFrame = Schemas[ServerFrameType];

/** The id of a request. */
export type FrameId = number | string;

/** A frame from the server. Only events have a version. */
export type Frame = { event: RoomEvent } | { other: ServerFrame };

/** Returns the frame, or undefined if the text is not a frame. */
export function decode(text: string): Frame | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || typeof (value as { type?: unknown }).type !== 'string') {
    return undefined;
  }
  const { v, room_id } = value as { v?: unknown; room_id?: unknown };
  if (typeof v !== 'number') return { other: value as ServerFrame };
  return Number.isSafeInteger(v) && typeof room_id === 'string' ? { event: value as RoomEvent } : undefined;
}
