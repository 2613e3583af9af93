/** Requests to projectors and notifiers, through the operator-gateway. */

import { NetworkError, Problem, readProblem } from '@boxroom/client';
import type { NotifierRequests, ProjectorRequests } from './protocol.js';

/** The timeout of a request in milliseconds: longer than the longest one of the gateway. */
const TIMEOUT_MS = 50_000;

/** A source of access tokens, as the client of the page. */
interface Tokens {
  accessToken(old?: string): Promise<string>;
}

/** Sends requests to the gateway. */
export class Gateway {
  constructor(
    private readonly url: string,
    private readonly tokens: Tokens,
  ) {}

  /** Sends a request to the projectors, one of which answers. */
  projector<V extends keyof ProjectorRequests>(
    verb: V,
    request: ProjectorRequests[V][0],
  ): Promise<ProjectorRequests[V][1]> {
    return this.send('projector', verb, request);
  }

  /** Sends a request to the notifiers, one of which answers. */
  notifier<V extends keyof NotifierRequests>(
    verb: V,
    request: NotifierRequests[V][0],
  ): Promise<NotifierRequests[V][1]> {
    return this.send('notifier', verb, request);
  }

  private async send<T>(service: string, verb: string, request: unknown): Promise<T> {
    let token = await this.tokens.accessToken();
    for (let isRenewed = false; ; isRenewed = true) {
      const response = await this.post(`${this.url}/ops/${service}/${verb}`, token, request);
      if (response.ok) return (await response.json()) as T;
      const problem = await readProblem(response);
      if (isRenewed || problem.status !== 401) throw problem;
      const next = await this.tokens.accessToken(token);
      if (next === token) throw problem;
      token = next;
    }
  }

  private async post(url: string, token: string, request: unknown): Promise<Response> {
    try {
      return await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(request),
        cache: 'no-store',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (error) {
      throw new NetworkError(`POST ${url}: ${String(error)}`, { cause: error });
    }
  }
}

/** Returns the reason of a refusal by a projector or notifier; undefined for any other error. */
export function refusalOf(error: unknown): string | undefined {
  return error instanceof Problem && ['refused', 'failed', 'no-answer'].includes(error.code) ? error.detail : undefined;
}
