/** The scenarios of `clients/conformance`. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import WebSocket from 'ws';
import { FetchError, Live, type Item, type Page } from '../src/index.js';
import { readProblem } from '../src/rest/problem.js';
import { sleep, withTimeout } from '../src/time.js';
import { fill, matches, type Bindings } from './support/match.js';
import { Mailbox, PATIENCE_MS, ScriptedServer, type Peer } from './support/scripted-server.js';

interface Scenario {
  name: string;
  client?: {
    servers?: ('up' | 'down')[];
    tokens?: (string | { error: string })[];
    longest_delay_ms?: number;
    time_limit_ms?: number;
    capacity?: number;
  };
  steps: (string | Record<string, any>)[];
}

type Accept = { server?: number | 'any' | 'other'; not_before_ms?: number };

const ROOM = 'b.1';

/** A client under test, and the services that it connects to. */
class Stage {
  private readonly bindings: Bindings;
  private readonly live: Live;
  private readonly items: AsyncIterator<Item>;
  private readonly fetches = new Map<string, Promise<Page>>();
  private peer: Peer | undefined;
  private lastServer = 0;
  private lostAt = 0;

  private constructor(
    private readonly servers: ScriptedServer[],
    { tokens = ['a token'], longest_delay_ms, time_limit_ms, capacity }: NonNullable<Scenario['client']>,
  ) {
    this.bindings = { saved: new Map(), urls: servers.map(({ url }) => url) };
    let asked = 0;
    this.live = new Live({
      urls: this.bindings.urls,
      tokens: () => {
        const token = tokens[Math.min(asked, tokens.length - 1)] as string | { error: string };
        asked += 1;
        if (typeof token === 'string') return token;
        throw new Error(token.error);
      },
      transport: 'websocket',
      WebSocket,
      longestDelayMs: longest_delay_ms ?? 200,
      timeLimitMs: time_limit_ms ?? 10_000,
      capacity: capacity ?? 256,
      requests: { fetch, readProblem, readFeed: () => Promise.reject(new Error('not over WebSocket')) },
    });
    this.items = this.live.items();
  }

  static async play({ client = {}, steps }: Scenario): Promise<void> {
    const kinds = client.servers ?? ['up'];
    const servers = await Promise.all(
      kinds.map((kind) => (kind === 'up' ? ScriptedServer.start() : ScriptedServer.down())),
    );
    const stage = new Stage(servers, client);
    try {
      for (const [number, step] of steps.entries()) {
        await stage.step(step).catch((error) => {
          throw new Error(`step ${number + 1}, ${JSON.stringify(step)}: ${error.message}`, { cause: error });
        });
      }
    } finally {
      stage.live.close();
      servers.forEach((server) => server.stop());
    }
  }

  private async step(given: string | Record<string, any>): Promise<void> {
    const step: Record<string, any> = typeof given === 'string' ? { [given]: true } : given;
    if ('connect' in step) this.live.connect();
    else if ('follow' in step) this.live.subscribe(step['follow'].room_id, step['follow'].after_v ?? 'now');
    else if ('unfollow' in step) this.live.unsubscribe(step['unfollow']);
    else if ('fetch' in step) {
      const { name, room_id, after_v } = step['fetch'];
      const page = this.live.fetch(room_id, after_v);
      page.catch(() => {});
      this.fetches.set(name, page);
    } else if ('fetched' in step) {
      const page = await this.page(step['fetched'].name);
      const { events, to_v, head_v } = step['fetched'];
      assert.deepEqual([page.events.map(({ v }) => v), page.to_v, page.head_v], [events, to_v, head_v]);
    } else if ('fetch_fails' in step) {
      const { name, code } = step['fetch_fails'];
      await assert.rejects(this.page(name), (error) => error instanceof FetchError && error.code === code);
    } else if ('deliver' in step) for (const item of step['deliver']) await this.deliver(item, true);
    else if ('deliver_exactly' in step) for (const item of step['deliver_exactly']) await this.deliver(item, false);
    else if ('deliver_events' in step) {
      for (const v of versions(step['deliver_events'])) await this.deliver({ event: { v } }, true);
    } else if ('end' in step) this.live.close();
    else if ('ended' in step) assert.equal(await this.nextItem(), undefined);
    else if ('accept' in step) await this.accept(step['accept']);
    else if ('greet' in step) await this.greet(step['greet']);
    else if ('receive' in step) await this.receive(step['receive'], false);
    else if ('receive_part' in step) await this.receive(step['receive_part'], true);
    else if ('send' in step) this.send(step['send']);
    else if ('send_text' in step) this.peer?.send(step['send_text']);
    else if ('welcome' in step) this.send({ type: 'welcome', session: 's', heartbeat_ms: 60_000, ...step['welcome'] });
    else if ('events' in step) {
      for (const v of versions(step['events'])) {
        const at = '2026-01-02T03:04:05.678Z';
        this.send({ room_id: step['room_id'] ?? ROOM, v, type: 'x', at, by: 'ana', data: {} });
      }
    } else if ('close' in step || 'bye' in step) {
      if (step['bye']) this.send({ type: 'bye', ...step['bye'] });
      const { code, reason } = step['close'] ?? step['bye'];
      this.lostAt = Date.now();
      this.peer?.close(code, reason);
    } else if ('drop' in step) this.peer?.drop();
    else if ('gone' in step) await this.peer?.untilGone();
    else if ('wait_ms' in step) await sleep(step['wait_ms']);
    else throw new Error('an unknown step');
  }

  private send(frame: object): void {
    this.peer?.send(JSON.stringify(fill(frame, this.bindings)));
  }

  private async accept({ server = 0, not_before_ms }: Accept): Promise<void> {
    const candidates = this.servers
      .map((_, index) => index)
      .filter((index) => {
        if (server === 'any') return true;
        return server === 'other' ? index !== this.lastServer : index === server;
      });
    const boxes = candidates.map((index) => (this.servers[index] as ScriptedServer).peers);
    const { value, index } = await Mailbox.takeAny(boxes, 'a connection');
    this.lastServer = candidates[index] as number;
    this.peer = value;
    if (not_before_ms) assert.ok(Date.now() - this.lostAt >= not_before_ms - 5, `after ${Date.now() - this.lostAt} ms`);
  }

  private async greet({ v, head_v, ...accept }: Accept & { v: number; head_v: number }): Promise<void> {
    await this.accept(accept);
    await this.receive({ type: 'hello', rooms: [{ room_id: ROOM, v }] }, true);
    this.send({ type: 'welcome', session: 's', heartbeat_ms: 60_000 });
    this.send({ type: 'subscribed', room_id: ROOM, head_v, recovered: true });
  }

  private async receive(expected: object, partial: boolean): Promise<void> {
    const frame = await (this.peer as Peer).next();
    assert.ok(matches(frame, expected, partial, this.bindings), `the client sends ${JSON.stringify(frame)}`);
  }

  private async deliver(expected: Record<string, any>, skips: boolean): Promise<void> {
    const [type] = Object.keys(expected);
    for (;;) {
      const item = await this.nextItem();
      if (skips && item && item.type !== type && item.type !== 'stopped') continue;
      const actual = item && { [item.type]: item.data };
      assert.ok(matches(actual, expected, true, this.bindings), `delivered: ${JSON.stringify(actual)}`);
      return;
    }
  }

  private async nextItem(): Promise<Item | undefined> {
    const { done, value } = await withTimeout(this.items.next(), PATIENCE_MS, 'no item arrives');
    return done ? undefined : value;
  }

  private page(name: string): Promise<Page> {
    return withTimeout(this.fetches.get(name) as Promise<Page>, PATIENCE_MS, 'no page arrives');
  }
}

function versions(list: (number | { from: number; to: number })[]): number[] {
  return list.flatMap((one) =>
    typeof one === 'number' ? [one] : Array.from({ length: one.to - one.from + 1 }, (_, index) => one.from + index),
  );
}

const folder = new URL('../../../conformance/', import.meta.url);
for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  describe(file, { concurrency: 8 }, () => {
    const scenarios: Scenario[] = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
    for (const scenario of scenarios) test(scenario.name, { timeout: 60_000 }, () => Stage.play(scenario));
  });
}
