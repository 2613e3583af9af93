/** The delays between attempts to connect. */

/** Full jitter: a random delay up to a limit that doubles with each failure, against simultaneous reconnects. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly firstMs: number,
    private readonly longestMs: number,
  ) {}

  /** Forgets earlier failures, after a connection that lasted. */
  reset(): void {
    this.failures = 0;
  }

  /** Counts a failure. Returns the delay before the next attempt, added to the one that the server asks for. */
  next(requestedMs = 0): number {
    const limit = Math.min(this.firstMs * 2 ** Math.min(this.failures, 30), this.longestMs);
    this.failures += 1;
    return requestedMs + limit * Math.random();
  }
}
