/** The client's own rate limit, which stays below the server's. */

/** The number of requests that may be sent at once after a pause. */
export const BURST = 40;

/** The time between two requests at the sustained rate, in milliseconds. */
export const INTERVAL_MS = 64;

/** A token bucket of requests. */
export class RateLimiter {
  /** The time at which the bucket is full again. */
  private fullAt = 0;

  /** Takes one request. If there is none, returns the time in milliseconds until the next one. */
  take(now = Date.now()): number {
    // A clock that was set back must not block requests.
    const fullAt = Math.min(Math.max(this.fullAt, now), now + BURST * INTERVAL_MS) + INTERVAL_MS;
    const wait = fullAt - BURST * INTERVAL_MS - now;
    if (wait > 0) return wait;
    this.fullAt = fullAt;
    return 0;
  }
}
