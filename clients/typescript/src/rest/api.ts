/** A typed method for each operation of the services. */

import type { operations as CommandOperations } from '../generated/command.js';
import { OPERATIONS } from '../generated/operations.js';
import type { operations as QueryOperations } from '../generated/query.js';
import type { Answer, Http, Operation, Params, RequestOptions } from './http.js';

type Described = CommandOperations & QueryOperations;
type Names = typeof OPERATIONS;

/** The operations whose answers are too long to be kept whole. They have methods of their own. */
const STREAMED = ['exportMe'] as const;

/** The name of an operation. */
export type OperationName = Exclude<keyof Names, (typeof STREAMED)[number]>;

type Simplify<T> = { [K in keyof T]: T[K] };
type Fields<T> = [T] extends [never] ? {} : T;
type Parameters<O, K extends string> = O extends { parameters: { [P in K]?: infer P } } ? Fields<NonNullable<P>> : {};
type Body<O> = O extends { requestBody: { content: { 'application/json': infer B } } }
  ? { body: B }
  : O extends { requestBody?: { content: { 'application/json': infer B } } }
    ? { body?: B }
    : {};
type Content<C> = C extends { 'application/json': infer B } ? B : [C] extends [never] ? undefined : C[keyof C];
type Success<R> = { [S in keyof R]: R[S] extends { content: infer C } ? Content<C> : undefined }[keyof R];

/** The parameters of an operation: those of the path and of the query, and the body as `body`. */
export type ParamsOf<N extends OperationName> = Simplify<
  Parameters<Described[Names[N]['id']], 'path'> &
    Parameters<Described[Names[N]['id']], 'query'> &
    Body<Described[Names[N]['id']]>
>;

/** The result of an operation; undefined if it has none. */
export type ResultOf<N extends OperationName> = Described[Names[N]['id']] extends { responses: infer R }
  ? Success<R>
  : never;

type Arguments<P> = {} extends P ? [params?: P, options?: RequestOptions] : [params: P, options?: RequestOptions];

/**
 * A method for each operation, except the export of a user's data. It takes the parameters of the path and of the query
 * by their names, and the body as `body`. It resolves with the body of the response, and rejects with a `Problem` or a
 * `NetworkError`.
 */
export type Api = { [N in OperationName]: (...args: Arguments<ParamsOf<N>>) => Promise<ResultOf<N>> };

/** Returns the methods of all operations, except those that are streamed. */
export function apiOf(http: Http): Api {
  const method = (operation: Operation) => async (params?: Params, options?: RequestOptions) => {
    const { data } = await http.request(operation, params, options);
    return data;
  };
  const whole = Object.entries(OPERATIONS).filter(([name]) => !(STREAMED as readonly string[]).includes(name));
  const methods = whole.map(([name, operation]) => [name, method(operation)] as const);
  return Object.fromEntries(methods) as unknown as Api;
}

/** Sends the request of an operation. Besides the data, the answer says whether it is the first one. */
export function requestOf<N extends OperationName>(
  http: Http,
  name: N,
  params: ParamsOf<N>,
  options?: RequestOptions,
): Promise<Answer<ResultOf<N>>> {
  return http.request(OPERATIONS[name], params as Params, options);
}
