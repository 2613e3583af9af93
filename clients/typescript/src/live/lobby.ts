/** The followed area of open rooms. */

import type { ClientFrame, ServerFrame } from './frames.js';
import type { Item } from './items.js';

/** An area: a postal code, or a location with a radius in metres. */
export type LobbyArea = { zip_code: string } | { near: string; radius?: number };

/** The followed area. Outlives connections. */
export class Lobby {
  private area: LobbyArea | undefined;
  private state: 'none' | 'wanted' | 'requested' | 'following' | 'unwanted' | 'refused' = 'none';
  private count = 0;
  private requestId = '';

  /** Follows an area in place of any earlier one; undefined follows none. */
  request(area: LobbyArea | undefined): void {
    const follows = this.state === 'requested' || this.state === 'following' || this.state === 'unwanted';
    this.area = area;
    this.state = area ? 'wanted' : follows ? 'unwanted' : 'none';
  }

  /** Prepares the request for a new connection. */
  restart(): void {
    this.state = this.area ? 'wanted' : 'none';
  }

  /** Returns true if a request waits to be sent. */
  anyWanted(): boolean {
    return this.state === 'wanted' || this.state === 'unwanted';
  }

  /** Returns the next request to send. */
  nextFrame(): ClientFrame | undefined {
    this.count += 1;
    const id = `lobby ${this.count}`;
    if (this.state === 'wanted' && this.area) {
      this.state = 'requested';
      this.requestId = id;
      return { ...this.area, type: 'subscribe_lobby', id };
    }
    if (this.state !== 'unwanted') return undefined;
    this.state = 'none';
    return { type: 'unsubscribe_lobby', id };
  }

  /** Applies a frame of the server. Returns the item to deliver, if there is one. */
  onFrame(frame: ServerFrame): Item | undefined {
    switch (frame.type) {
      case 'lobby_subscribed':
        if (this.state === 'requested' && frame.id === this.requestId) this.state = 'following';
        return undefined;
      case 'lobby':
        return this.state === 'following' ? { type: 'lobby', data: { rooms: frame.rooms } } : undefined;
      case 'lobby_changed': {
        const data = { rooms: frame.rooms, removed: frame.removed };
        return this.state === 'following' ? { type: 'lobby_changed', data } : undefined;
      }
      case 'error':
        if (this.state !== 'requested' || frame.id !== this.requestId) return undefined;
        this.state = 'refused';
        // Another instance may have room for the area.
        if (frame.code !== 'too-many-areas') this.area = undefined;
        return { type: 'lobby_refused', data: { code: frame.code, detail: frame.detail } };
      default:
        return undefined;
    }
  }
}
