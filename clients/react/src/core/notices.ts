/** Events that a conversation shows between its messages. */

import type { RoomEvent } from '@boxroom/client';
import type { Notice } from './types.js';

/** The number of notices that are kept. */
const MAX_NOTICES = 200;

const TYPES = new Set([
  'member_joined',
  'member_left',
  'member_kicked',
  'host_transferred',
  'room_changed',
  'co_host_appointed',
  'co_host_dismissed',
  'member_muted',
  'member_unmuted',
  'slow_mode_set',
  'message_pinned',
  'step_advanced',
  'room_extended',
  'room_closing_soon',
  'room_closed',
  'order_arrived',
  'door_opened',
]);

/** Adds an event to the notices, if it is shown. */
export function withNotice(notices: readonly Notice[], event: RoomEvent): readonly Notice[] {
  if (!TYPES.has(event.type)) return notices;
  const { v, type, at, by, data } = event;
  return [...notices, { v, type, at, by, data: data as Record<string, unknown> }].slice(-MAX_NOTICES);
}
