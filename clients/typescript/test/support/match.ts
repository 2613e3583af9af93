/** Comparison with the placeholders of conformance scenarios. */

import { isDeepStrictEqual } from 'node:util';

/** The values that a scenario has saved, and the addresses of its servers. */
export interface Bindings {
  saved: Map<string, unknown>;
  urls: string[];
}

/** Replaces `$use` by saved values. */
export function fill(value: unknown, bindings: Bindings): unknown {
  if (Array.isArray(value)) return value.map((one) => fill(one, bindings));
  if (!isObject(value)) return value;
  if (typeof value['$use'] === 'string') return bindings.saved.get(value['$use']);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, fill(one, bindings)]));
}

/** Compares a value with an expected one. With `partial`, objects may have more fields. */
export function matches(actual: unknown, expected: unknown, partial: boolean, bindings: Bindings): boolean {
  if (expected === null) return actual == null;
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return false;
    return expected.every((one, index) => matches(actual[index], one, partial, bindings));
  }
  if (!isObject(expected)) return isDeepStrictEqual(actual, expected);
  if ('$any' in expected) return true;
  if (typeof expected['$save'] === 'string') {
    bindings.saved.set(expected['$save'], actual);
    return true;
  }
  if (typeof expected['$use'] === 'string') return isDeepStrictEqual(actual, bindings.saved.get(expected['$use']));
  if (typeof expected['$at_least'] === 'number') return typeof actual === 'number' && actual >= expected['$at_least'];
  if (typeof expected['$url'] === 'number') return actual === bindings.urls[expected['$url']];
  if (!isObject(actual)) return false;
  if (!partial && Object.keys(actual).some((name) => !(name in expected))) return false;
  return Object.entries(expected).every(([name, one]) => matches(actual[name], one, partial, bindings));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
