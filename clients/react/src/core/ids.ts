/** Message ids: decimal numbers without leading zeros, which can be larger than a safe integer. */

/** Compares two ids: the later message has the greater id. */
export function compareIds(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** Returns true if the first message is later than the second one. */
export function isLater(a: string, b: string | null | undefined): boolean {
  return b == null || compareIds(a, b) > 0;
}
