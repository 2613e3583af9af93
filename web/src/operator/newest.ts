/** The newest entries of the audit trail, which comes stream by stream, each in its order. */

import type { Entry } from './protocol.js';

/** Keeps the newest entries. The order between streams depends on the clocks of the command-services. */
export class Newest {
  private entries: Entry[] = [];
  /** The number of older entries that were left out. */
  omitted = 0;

  constructor(private readonly limit: number) {}

  /** Adds a page. Keeps at most twice the limit. */
  add(page: readonly Entry[]): void {
    this.entries.push(...page);
    if (this.entries.length > 2 * this.limit) this.cut();
  }

  /** Returns the newest entries, the newest first. */
  list(): Entry[] {
    this.cut();
    return this.entries.toReversed();
  }

  private cut(): void {
    const time = ({ at }: Entry) => at ?? '';
    // Of entries with the same time, those of a stream keep their order.
    this.entries.sort((one, other) => (time(one) < time(other) ? -1 : time(one) > time(other) ? 1 : 0));
    const older = Math.max(0, this.entries.length - this.limit);
    this.entries.splice(0, older);
    this.omitted += older;
  }
}
