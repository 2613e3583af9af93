/** The positions of the client's own commands, for reads that must include them. */

/** The maximum number of positions in a request. */
const MAX_POSITIONS = 16;

/** The time for which positions are sent, in milliseconds. Later, every read model has them. */
const MAX_AGE_MS = 10 * 60 * 1000;

interface Position {
  incarnation: string;
  sequence: number;
  at: number;
}

/** The highest position of each stream. */
export class Positions {
  private readonly byStream = new Map<string, Position>();

  /** Remembers the positions in an `Event-Position` header. */
  remember(header: string | null, now = Date.now()): void {
    for (const text of header?.split(',') ?? []) {
      const [stream, incarnation, sequence] = text.trim().split('.');
      if (!stream || !incarnation || !sequence) continue;
      const known = this.byStream.get(stream);
      const isOlder = known?.incarnation === incarnation && known.sequence >= Number(sequence);
      if (isOlder) continue;
      // The latest one comes last.
      this.byStream.delete(stream);
      this.byStream.set(stream, { incarnation, sequence: Number(sequence), at: now });
    }
  }

  /** Returns the `Min-Position` header; undefined if there is nothing to wait for. */
  header(now = Date.now()): string | undefined {
    for (const [stream, { at }] of this.byStream) if (now - at > MAX_AGE_MS) this.byStream.delete(stream);
    const latest = [...this.byStream].slice(-MAX_POSITIONS);
    if (latest.length === 0) return undefined;
    return latest.map(([stream, { incarnation, sequence }]) => `${stream}.${incarnation}.${sequence}`).join(', ');
  }

  /** Forgets all positions. */
  clear(): void {
    this.byStream.clear();
  }
}
