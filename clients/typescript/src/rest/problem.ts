/** Refusals of the services. */

import type { ProblemCode } from '../generated/names.js';

/** An invalid field of a body: its JSON pointer, and the rule that it breaks. */
export interface FieldError {
  pointer: string;
  detail: string;
}

/** A refusal of a service (RFC 9457). */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** The stable code. `http-<status>` for responses that are not problems, as those of proxies. */
    readonly code: ProblemCode | (string & {}),
    /** The meaning of the code. */
    readonly title: string,
    /** The error of this request. */
    readonly detail: string,
    /** The id of the request in the logs of the service. */
    readonly requestId: string | undefined,
    /** The time to wait before the next try, in milliseconds; 0 if the service gives none. */
    readonly retryAfterMs: number,
    /** The invalid fields of the body. */
    readonly errors: readonly FieldError[],
  ) {
    super(`${title}: ${detail} (${code})`);
  }
}

/** The service could not be reached within the deadline. It is not known whether a command was carried out. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
}

/** Returns the problem in a response. */
export async function readProblem(response: Response): Promise<Problem> {
  const retryAfterMs = retryAfter(response.headers.get('retry-after'));
  const text = await response.text().catch(() => '');
  let body: Partial<Record<'code' | 'title' | 'detail' | 'request_id', string> & { errors: FieldError[] }> = {};
  if (response.headers.get('content-type')?.includes('problem+json')) {
    try {
      body = JSON.parse(text);
    } catch {
      // A truncated body has the status all the same.
    }
  }
  return new Problem(
    response.status,
    body.code ?? `http-${response.status}`,
    body.title ?? (response.statusText || 'The request was refused'),
    body.detail ?? `status ${response.status}`,
    body.request_id ?? response.headers.get('x-request-id') ?? undefined,
    retryAfterMs,
    body.errors ?? [],
  );
}

/** Returns the time in a `Retry-After` header in milliseconds: seconds, or a date. */
function retryAfter(value: string | null): number {
  if (!value) return 0;
  const seconds = Number(value);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(ms, 0) : 0;
}
