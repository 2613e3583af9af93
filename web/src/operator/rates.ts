/** Rates of streams and estimates of the remaining time, from the observations of the last seconds. */

import type { GenerationReport, Report } from './protocol.js';

/** The age up to which observations count, in milliseconds. */
const WINDOW_MS = 20_000;

/** The minimum time between two steps for a meaningful rate, in milliseconds. */
const MIN_MS = 500;

type Observation = readonly [at: number, position: number];

/** Observations of a position that only grows. */
class Observations {
  private list: Observation[] = [];

  record(at: number, position: number): void {
    this.list.push([at, position]);
    // The last observation before the window stays: it marks the window's beginning.
    while (this.list[1] && at - this.list[1][0] > WINDOW_MS) this.list.shift();
  }

  /** Returns the rate over all observations, in events per second. */
  rate(): number | undefined {
    return rateBetween(this.list[0], this.list.at(-1));
  }

  /** Returns the rate between full steps, which is more precise, or else the rate over all observations. */
  stepRate(): number | undefined {
    // Progress is made in batches: the idle time before the first step would lower the rate.
    const steps = this.list.filter(([, position], index) => index > 0 && this.list[index - 1]?.[1] !== position);
    const [first, last] = [steps[0], steps.at(-1)];
    if (first && last && first !== last) {
      const movingMs = last[0] - first[0];
      const idleMs = (this.list.at(-1)?.[0] ?? last[0]) - last[0];
      if (movingMs >= MIN_MS && idleMs <= movingMs) return rateBetween(first, last);
    }
    return this.rate();
  }
}

function rateBetween(first: Observation | undefined, last: Observation | undefined): number | undefined {
  if (!first || !last || last[0] <= first[0]) return undefined;
  return (Math.max(0, last[1] - first[1]) * 1000) / (last[0] - first[0]);
}

/** Returns the number of projected sequences and the total, over all streams. */
export function progressOf({ streams }: GenerationReport): { done: number; total: number } {
  const sum = (numbers: number[]) => numbers.reduce((all, number) => all + number, 0);
  return {
    done: sum(streams.map(({ position }) => position)),
    total: sum(streams.map(({ position, end }) => Math.max(end ?? position, position))),
  };
}

/** Rates of all streams and generations. */
export class Rates {
  private readonly streams = new Map<string, Observations>();
  private readonly generations = new Map<number, Observations>();

  /** Records a report of the status. */
  record(report: Report, now: number): void {
    for (const generation of report.generations) {
      const { generation: number } = generation;
      seen(this.generations, number).record(now, progressOf(generation).done);
      for (const { stream, position } of generation.streams)
        seen(this.streams, `${number} ${stream}`).record(now, position);
    }
  }

  /** Returns the rate of a generation over all streams, in events per second. */
  of(generation: number): number | undefined {
    return this.generations.get(generation)?.stepRate();
  }

  /** Returns the rate of a stream of a generation, in events per second. */
  ofStream(generation: number, stream: string): number | undefined {
    return this.streams.get(`${generation} ${stream}`)?.rate();
  }

  /** Estimates the seconds until everything that is in the log now is projected. */
  secondsLeft(generation: GenerationReport): number | undefined {
    const { done, total } = progressOf(generation);
    const rate = this.of(generation.generation);
    const all = time(total - done, rate);
    if (generation.max_rate === null || all === undefined) return all;
    // The projectors divide a rate limit: what one of them does not use is lost to the others.
    const shares = new Map<string, { left: number; rate: number }>();
    for (const { stream, holder, position, end } of generation.streams) {
      const share = shares.get(holder ?? '') ?? { left: 0, rate: 0 };
      share.left += Math.max(0, (end ?? 0) - position);
      share.rate += this.ofStream(generation.generation, stream) ?? 0;
      shares.set(holder ?? '', share);
    }
    if (shares.size === 1) return all;
    const times = [...shares.values()].filter(({ left }) => left > 0).map((share) => time(share.left, share.rate));
    if (times.length === 0) return all;
    return times.includes(undefined) ? undefined : Math.max(...(times as number[]));
  }
}

function seen<K>(map: Map<K, Observations>, key: K): Observations {
  const found = map.get(key) ?? new Observations();
  map.set(key, found);
  return found;
}

/** Divides the remaining events by the rate; undefined if they would never be done. */
function time(left: number, rate: number | undefined): number | undefined {
  if (left === 0) return 0;
  return rate ? left / rate : undefined;
}
