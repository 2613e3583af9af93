/** Values that tell listeners of their changes. */

/** A value with listeners, in the form of `useSyncExternalStore`. */
export class Value<T> {
  private readonly listeners = new Set<() => void>();

  constructor(private current: T) {}

  readonly get = (): T => this.current;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Replaces the value. The same value changes nothing. */
  set(next: T): void {
    if (Object.is(next, this.current)) return;
    this.current = next;
    for (const listener of [...this.listeners]) listener();
  }

  /** Replaces some fields of the value. */
  update(change: Partial<T>): void {
    this.set({ ...this.current, ...change });
  }
}
