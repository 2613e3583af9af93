/** Requested pages of feeds, and the events that belong to each. */

import type { ClientFrame, FrameId, ServerFrame } from './frames.js';
import type { Page, RoomEvent } from './items.js';

/** The first id of a fetch. Ids of other requests are smaller. */
const FIRST_ID = 2 ** 32;

/** The page was not fetched: the server has refused the request (`code`), or the client has stopped (`stopped`). */
export class FetchError extends Error {
  override readonly name = 'FetchError';

  constructor(
    /** The code of the problem, such as `not-a-member`; `stopped` if the client has stopped. */
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

interface Fetch {
  roomId: string;
  afterV: number;
  /** Events of the room since the request. The last ones are the page. */
  events: RoomEvent[];
  resolve: (page: Page) => void;
  reject: (error: FetchError) => void;
}

/** The requested pages. Outlives connections: unanswered requests are sent again. */
export class Fetches {
  private wanted: Fetch[] = [];
  private readonly sent = new Map<FrameId, Fetch>();
  private count = 0;
  private ended = false;

  /** Requests the page after a version. */
  request(roomId: string, afterV: number): Promise<Page> {
    return new Promise((resolve, reject) => {
      if (this.ended) reject(stopped());
      else this.wanted.push({ roomId, afterV, events: [], resolve, reject });
    });
  }

  /** Queues all unanswered requests again, for a new connection. */
  requeue(): void {
    const unanswered = [...this.sent.values()].map((fetch) => ({ ...fetch, events: [] }));
    this.sent.clear();
    this.wanted = [...unanswered, ...this.wanted];
  }

  /** Rejects all requests: there will be no further connection. */
  end(): void {
    this.ended = true;
    for (const fetch of [...this.sent.values(), ...this.wanted]) fetch.reject(stopped());
    this.sent.clear();
    this.wanted = [];
  }

  /** Returns true if a request waits to be sent. */
  anyWanted(): boolean {
    return this.wanted.length > 0;
  }

  /** Returns the next request to send. */
  nextFrame(): (ClientFrame & { type: 'fetch' }) | undefined {
    const fetch = this.wanted.shift();
    if (!fetch) return undefined;
    const id = FIRST_ID + this.count;
    this.count += 1;
    this.sent.set(id, fetch);
    return { type: 'fetch', id, room_id: fetch.roomId, after_v: fetch.afterV };
  }

  /** Keeps an event that may belong to a page. Returns false if no request of its room is open. */
  collect(event: RoomEvent): boolean {
    let kept = false;
    for (const fetch of this.sent.values()) {
      if (fetch.roomId !== event.room_id) continue;
      fetch.events.push(event);
      kept = true;
    }
    return kept;
  }

  /** Completes the request that the frame answers, if there is one. */
  onFrame(frame: ServerFrame): void {
    if (frame.type !== 'fetched' && frame.type !== 'error') return;
    const fetch = frame.id == null ? undefined : this.sent.get(frame.id);
    if (!fetch || frame.id == null) return;
    this.sent.delete(frame.id);
    if (frame.type === 'error') fetch.reject(new FetchError(frame.code, frame.detail));
    else fetch.resolve({ events: page(fetch, frame.to_v), to_v: frame.to_v, head_v: frame.head_v });
  }
}

/** Returns the last consecutive events up to `toV`: the server sends a page in one piece, before its `fetched`. */
function page(fetch: Fetch, toV: number): RoomEvent[] {
  const events: RoomEvent[] = [];
  let next = toV;
  for (const event of fetch.events.reverse()) {
    if (next <= fetch.afterV || event.v !== next) continue;
    events.push(event);
    next -= 1;
  }
  return events.reverse();
}

function stopped(): FetchError {
  return new FetchError('stopped', 'the client has stopped');
}
