/** The delivery of items, in order, to handlers and iterators. */

import type { Item, ItemType, Items } from './items.js';

/** A handler of items of one type. While its promise is pending, nothing else is delivered. */
export type Handler<T extends ItemType> = (data: Items[T]) => unknown;

type Listener = (item: Item) => unknown;

/** A place in the queue: the action is run once all items before it were delivered. */
interface Mark {
  action: () => unknown;
}

/** A queue of items, and the handlers that take them one after another. */
export class Dispatcher {
  private queue: (Item | Mark)[] = [];
  private waiting = 0;
  private pumping = false;
  private readonly listeners = new Set<Listener>();

  constructor(
    /** The number of items that an iterator may hold. */
    private readonly capacity: number,
    /** Called after each delivered item. */
    private readonly onDelivered: () => void,
  ) {}

  /** The number of items that wait for delivery. */
  get size(): number {
    return this.waiting;
  }

  /** Adds an item. Handlers that are attached in the same task get it. */
  push(item: Item): void {
    this.waiting += 1;
    this.add(item);
  }

  /** Runs an action once all items so far were delivered. Replaces an action that waits for the same. */
  mark(action: () => unknown): void {
    const last = this.queue.at(-1);
    if (last && 'action' in last) last.action = action;
    else this.add({ action });
  }

  private add(entry: Item | Mark): void {
    this.queue.push(entry);
    if (this.pumping) return;
    this.pumping = true;
    queueMicrotask(() => void this.pump());
  }

  /** Attaches a handler. Returns a function that removes it. */
  on<T extends ItemType>(type: T, handler: Handler<T>): () => void {
    return this.listen((item) => (item.type === type ? handler(item.data as Items[T]) : undefined));
  }

  /** Returns the items from now on. They wait in a buffer; while it is full, nothing is delivered. */
  items(): AsyncIterableIterator<Item> {
    const buffer: Item[] = [];
    let next: (() => void) | undefined;
    let space: (() => void) | undefined;
    let ended = false;
    const remove = this.listen((item) => {
      buffer.push(item);
      if (item.type === 'stopped') ended = true;
      next?.();
      if (buffer.length < this.capacity) return undefined;
      return new Promise<void>((resolve) => {
        space = resolve;
      });
    });
    const end = () => {
      ended = true;
      remove();
      this.ends.delete(end);
      space?.();
      next?.();
    };
    this.ends.add(end);
    const iterator: AsyncIterableIterator<Item> = {
      next: async () => {
        while (buffer.length === 0) {
          if (ended) {
            end();
            return { done: true, value: undefined };
          }
          await new Promise<void>((resolve) => {
            next = resolve;
          });
        }
        const value = buffer.shift() as Item;
        if (buffer.length < this.capacity) space?.();
        return { done: false, value };
      },
      return: async () => {
        buffer.length = 0;
        end();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  private readonly ends = new Set<() => void>();

  /** Drops the waiting items, removes all handlers and ends all iterators. */
  close(): void {
    this.queue = [];
    this.waiting = 0;
    for (const end of [...this.ends]) end();
    this.listeners.clear();
  }

  private listen(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private async pump(): Promise<void> {
    for (;;) {
      const entry = this.queue.shift();
      if (!entry) break;
      if ('action' in entry) {
        await call(entry.action);
        continue;
      }
      this.waiting -= 1;
      for (const listener of [...this.listeners]) {
        const pending = call(() => listener(entry));
        if (pending) await pending;
      }
      this.onDelivered();
    }
    this.pumping = false;
  }
}

/** Calls a handler. Returns its promise, if it returns one. */
function call(handler: () => unknown): PromiseLike<unknown> | undefined {
  try {
    const pending = handler();
    return isPromise(pending) ? pending.then(undefined, report) : undefined;
  } catch (error) {
    report(error);
    return undefined;
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';
}

/** Reports an error of a handler as an uncaught one, without an effect on other handlers. */
function report(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
