/** The current moment of a room: users inside, users typing, and read markers. */

import type { Items } from '@boxroom/client';
import { Value } from './value.js';

/** The time after which a user counts as no longer typing, in milliseconds. */
const TYPING_MS = 4000;

/** The current moment of a room. */
export interface PresenceState {
  /** The users who are connected to the room. */
  readonly inside: readonly string[];
  /** The other users who are typing. */
  readonly typing: readonly string[];
  /** The last messages that members have marked as read. */
  readonly markers: Readonly<Record<string, string>>;
}

/** The presence of a room, from its signals. */
export class Presence {
  readonly state = new Value<PresenceState>({ inside: [], typing: [], markers: {} });
  private readonly typing = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(private readonly userId: string) {}

  onSignal(signal: Items['signal']): void {
    if (signal.kind === 'presence') this.state.update({ inside: signal.users });
    else if (signal.kind === 'read') this.setMarkers({ ...this.state.get().markers, ...signal.markers });
    else if (signal.user_id !== this.userId) {
      clearTimeout(this.typing.get(signal.user_id));
      this.typing.set(
        signal.user_id,
        setTimeout(() => this.stopTyping(signal.user_id), TYPING_MS),
      );
      this.showTyping();
    }
  }

  setMarkers(markers: Readonly<Record<string, string>>): void {
    this.state.update({ markers });
  }

  /** A user has posted, or the time is over. */
  stopTyping(user: string): void {
    clearTimeout(this.typing.get(user));
    if (this.typing.delete(user)) this.showTyping();
  }

  onDisconnected(): void {
    this.state.update({ inside: [], typing: [] });
  }

  close(): void {
    for (const timer of this.typing.values()) clearTimeout(timer);
  }

  private showTyping(): void {
    this.state.update({ typing: [...this.typing.keys()] });
  }
}
