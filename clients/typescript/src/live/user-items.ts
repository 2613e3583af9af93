/**
 * The user's own items, which do not depend on followed rooms: the cursor to resume from, and the alarms that were
 * delivered already.
 */

import type { ServerFrame } from './frames.js';
import type { Item, Signal, Standing } from './items.js';

/** The number of remembered alarms. A service repeats those of the last seconds, and more after a lost cursor. */
const MAX_DELIVERED = 1000;

/** The state of a withdrawn alarm. */
const WITHDRAWN = '0';

/** The user's own items. Outlives connections. */
export class UserItems {
  /** The last state of each alarm, the oldest first. */
  private readonly delivered = new Map<string, string>();

  constructor(
    /** The last cursor from the service. */
    public cursor: string | undefined,
  ) {}

  /** Stores a cursor: everything before it was delivered. */
  setCursor(cursor: string | null | undefined): void {
    if (cursor != null) this.cursor = cursor;
  }

  /** Converts a frame about the user, or a signal, into the item to deliver, if there is one. */
  onFrame(frame: ServerFrame): Item | undefined {
    switch (frame.type) {
      case 'signal':
        return signal(frame);
      case 'alarm': {
        const { type: _, ...alarm } = frame;
        const count = alarm.count ?? 1;
        return this.markDelivered(alarm.id, `${count} ${alarm.by ?? ''}`)
          ? { type: 'alarm', data: { ...alarm, count } }
          : undefined;
      }
      case 'alarm_withdrawn':
        return this.markDelivered(frame.id, WITHDRAWN)
          ? { type: 'alarm_withdrawn', data: { id: frame.id } }
          : undefined;
      case 'alarms_withdrawn':
        return { type: 'alarms_withdrawn', data: { box_id: frame.box_id, by: frame.by } };
      case 'alarms': {
        const upTo = frame.up_to == null ? {} : { up_to: frame.up_to };
        return { type: 'unread_alarms', data: { unread: frame.unread, ...upTo } };
      }
      case 'reset':
        return { type: 'alarms_reset', data: { reason: frame.reason } };
      case 'blocks':
        return { type: 'blocks', data: { users: frame.users } };
      case 'my_rooms': {
        const unread = Object.entries(frame.rooms).map(([room, { unread }]) => [room, unread] as const);
        return { type: 'my_rooms', data: Object.fromEntries(unread) };
      }
      case 'membership': {
        const at = frame.at == null ? {} : { at: frame.at };
        return { type: 'membership', data: { room_id: frame.room_id, standing: standing(frame.standing), ...at } };
      }
      case 'unread':
        return { type: 'unread', data: { room_id: frame.room_id, unread: frame.unread } };
      default:
        return undefined;
    }
  }

  /** Records the state of an alarm. Returns false if it was delivered before. */
  private markDelivered(id: string, state: string): boolean {
    const known = this.delivered.get(id);
    this.delivered.set(id, state);
    if (known !== undefined) return known !== state;
    if (this.delivered.size > MAX_DELIVERED) {
      const oldest = this.delivered.keys().next();
      if (!oldest.done) this.delivered.delete(oldest.value);
    }
    return true;
  }
}

function signal(frame: ServerFrame & { type: 'signal' }): Item | undefined {
  const { type: _, ...data } = frame as unknown as { type: string } & Signal;
  return ['typing', 'presence', 'read'].includes(data.kind) ? { type: 'signal', data: data as Signal } : undefined;
}

function standing(text: string): Standing {
  return text === 'inside' || text === 'left' || text === 'kicked' || text === 'closed' ? text : 'unknown';
}
