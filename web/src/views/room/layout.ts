/** Positions of rows in a long list, of which only some have been measured. */

/** The height of a row that was not measured yet, in pixels. */
const ESTIMATE = 64;

/** Positions of rows. */
export class Layout {
  private keys: readonly string[] = [];
  private readonly heights = new Map<string, number>();
  private indices = new Map<string, number>();
  /** The position of each row, and the height of all. */
  private offsets = new Float64Array(1);
  private isStale = true;

  setKeys(keys: readonly string[]): void {
    if (keys === this.keys) return;
    this.keys = keys;
    this.indices = new Map(keys.map((key, index) => [key, index]));
    this.isStale = true;
  }

  /** Stores the height of a row. Returns true if it has changed. */
  measure(key: string, height: number): boolean {
    if (this.heights.get(key) === height) return false;
    this.heights.set(key, height);
    this.isStale = true;
    return true;
  }

  indexOf(key: string): number | undefined {
    return this.indices.get(key);
  }

  offset(index: number): number {
    this.refresh();
    return this.offsets[Math.min(index, this.keys.length)] ?? 0;
  }

  get total(): number {
    return this.offset(this.keys.length);
  }

  /** The rows between two positions: the first one, and the one after the last one. */
  range(from: number, to: number): [number, number] {
    this.refresh();
    return [this.at(from), Math.min(this.at(to) + 1, this.keys.length)];
  }

  /** The row at a position. */
  private at(position: number): number {
    let low = 0;
    let high = Math.max(this.keys.length - 1, 0);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.offsets[middle] ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private refresh(): void {
    if (!this.isStale) return;
    this.isStale = false;
    const offsets = new Float64Array(this.keys.length + 1);
    let sum = 0;
    this.keys.forEach((key, index) => {
      offsets[index] = sum;
      sum += this.heights.get(key) ?? ESTIMATE;
    });
    offsets[this.keys.length] = sum;
    this.offsets = offsets;
  }
}
