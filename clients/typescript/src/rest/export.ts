/** The export of all data of the user, line by line. */

import type { components } from '../generated/query.js';
import { OPERATIONS } from '../generated/operations.js';
import { Backoff } from '../live/backoff.js';
import { sleep, withTimeout } from '../time.js';
import type { Http } from './http.js';
import { NetworkError, Problem } from './problem.js';

/** The time without a byte after which a response counts as interrupted, in milliseconds. */
const SILENCE_MS = 15_000;

/** The time in which an interrupted export is continued, in milliseconds. */
const DEADLINE_MS = 60_000;

/** A line of an export. Later versions of the service may send other types. */
export type ExportLine = components['schemas']['ExportLine'];

/** The options of an export. */
export interface ExportOptions {
  /** The last `cursor` line of an earlier export: the lines after it follow. */
  cursor?: string;
  /** The time in which an interrupted export is continued, in milliseconds. Default: 60,000. */
  deadlineMs?: number;
  /** Aborts the export. */
  signal?: AbortSignal;
}

/**
 * Returns the lines of an export, each once. After an interruption the export continues from the last cursor. The last
 * line has the type `end`.
 */
export async function* exportLines(http: Http, options: ExportOptions): AsyncGenerator<ExportLine, void, undefined> {
  const { deadlineMs = DEADLINE_MS, signal } = options;
  let { cursor } = options;
  /** The time at which an interruption becomes a failure; undefined without an interruption. */
  let deadline: number | undefined;
  // Each try counts against a limit of the service.
  let backoff = new Backoff(1000, 15_000);
  for (;;) {
    const controller = new AbortController();
    const abort = () => controller.abort(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    let failure: Error;
    try {
      signal?.throwIfAborted();
      const params = cursor === undefined ? {} : { cursor };
      const leftMs = deadline === undefined ? deadlineMs : Math.max(deadline - Date.now(), 1);
      const request = { signal: controller.signal, deadlineMs: leftMs };
      const body = await http.stream(OPERATIONS.exportMe, params, request);
      // The lines after the last cursor come again when the export is continued.
      let lines: ExportLine[] = [];
      for await (const line of linesOf(body)) {
        lines.push(line);
        if (line.type !== 'cursor' && line.type !== 'end') continue;
        yield* lines;
        if (line.type === 'end') return;
        lines = [];
        cursor = line.cursor;
        deadline = undefined;
        backoff = new Backoff(1000, 15_000);
      }
      failure = new NetworkError('GET /me/export: the response has no end');
    } catch (error) {
      signal?.throwIfAborted();
      const isLimit = error instanceof Problem && error.code === 'too-many-exports';
      if (!isLimit && !(error instanceof NetworkError)) throw error;
      failure = error;
    } finally {
      signal?.removeEventListener('abort', abort);
      controller.abort();
    }
    const waitMs = backoff.next(failure instanceof Problem ? failure.retryAfterMs : 0);
    deadline ??= Date.now() + deadlineMs;
    if (Date.now() + waitMs > deadline) throw failure;
    await sleep(waitMs, signal);
  }
}

/** Returns the complete lines of a body. Rejects with a `NetworkError` if it breaks. */
async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<ExportLine, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await withTimeout(reader.read(), SILENCE_MS, 'nothing arrives').catch((error) => {
      throw new NetworkError(`GET /me/export: ${error instanceof Error ? error.message : error}`, { cause: error });
    });
    if (done) return;
    const [first = '', ...more] = decoder.decode(value, { stream: true }).split('\n');
    const complete = more.length === 0 ? [] : [rest + first, ...more.slice(0, -1)];
    rest = more.length === 0 ? rest + first : (more.at(-1) as string);
    for (const line of complete) if (line !== '') yield JSON.parse(line) as ExportLine;
  }
}
