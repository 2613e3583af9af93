/** The delivery of items, in order, to handlers and iterators. */

import type { Item, ItemType, Items } from './items.js';

/** A handler of items of one type. While its promise is pending, nothing else is delivered. */
export type Handler<T extends ItemType> = (data: Items[T]) => unknown;

type Listener = (item: Item) => unknown;

/** A queue of items, and the handlers that take them one after another. */
export class Dispatcher {
  private queue: Item[] = [];
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
    return this.queue.length;
  }

  /** Adds an item. Handlers that are attached in the same task get it. */
  push(item: Item): void {
    this.queue.push(item);
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
    for (const end of [...this.ends]) end();
    this.listeners.clear();
  }

  private listen(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private async pump(): Promise<void> {
    for (;;) {
      const item = this.queue.shift();
      if (!item) break;
      for (const listener of [...this.listeners]) {
        try {
          const pending = listener(item);
          if (isPromise(pending)) await pending;
        } catch (error) {
          report(error);
        }
      }
      this.onDelivered();
    }
    this.pumping = false;
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
