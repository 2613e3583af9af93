/** Rates, times, forms and the routes of the operators' views. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const { Rates, progressOf } = await load('operator/rates.ts');
const { bytesOf, durationOf, localOf, momentOf, numberOf, percentOf, rateOf } = await load('operator/format.ts');
const { Newest } = await load('operator/newest.ts');
const { endOf, newSecret, typesOf } = await load('operator/forms.ts');
const { at, auditOf, parsePath } = await load('operator/routes.ts');
const { claimsOf, isStaffRole } = await load('lib/claims.ts');

const stream = (name, position, end, holder = null) => ({ stream: name, position, end, holder });
const generation = (streams, change = {}) => ({ generation: 2, max_rate: null, streams, ...change });
const report = (...generations) => ({ generations });

test('progress is summed over the streams, and unknown ends do not lower it', () => {
  const one = generation([stream('box-0', 30, 100), stream('box-1', 20, null), stream('user', 12, 10)]);
  assert.deepEqual(progressOf(one), { done: 62, total: 132 });
});

test('the remaining time is that of the common rate', () => {
  const rates = new Rates();
  let seen;
  for (let second = 0; second <= 10; second += 2) {
    seen = generation([stream('box-0', second * 100, 2000), stream('box-1', second * 50, 1000)]);
    rates.record(report(seen), second * 1000);
  }
  assert.equal(rates.of(2), 150);
  assert.equal(rates.ofStream(2, 'box-1'), 50);
  assert.equal(rates.secondsLeft(seen), (3000 - 1500) / 150);
});

test('idle time before the first step does not lower the rate, and older observations are forgotten', () => {
  const rates = new Rates();
  const at = (seconds, position) => rates.record(report(generation([stream('box-0', position, 9000)])), seconds * 1000);
  for (const second of [0, 2, 4, 6]) at(second, 0);
  for (const second of [8, 10, 12]) at(second, (second - 6) * 100);
  assert.equal(rates.of(2), 100);
  // A stream that stands still for longer than it moved is slow.
  for (let second = 14; second <= 60; second += 2) at(second, 600);
  assert.equal(rates.of(2), 0);
  assert.equal(rates.secondsLeft(generation([stream('box-0', 600, 9000)])), undefined);
});

test('what one projector does not use of a rate limit is not given to another', () => {
  const rates = new Rates();
  let seen;
  for (let second = 0; second <= 10; second += 1) {
    const streams = [stream('box-0', second * 100, 10_000, 'one'), stream('box-1', second * 100, 1100, 'other')];
    seen = generation(streams, { max_rate: 200 });
    rates.record(report(seen), second * 1000);
  }
  assert.equal(rates.secondsLeft(seen), 90);
});

test('a single report yields no rate, and nothing is left of a complete generation', () => {
  const rates = new Rates();
  const seen = generation([stream('box-0', 5, 10)]);
  rates.record(report(seen), 0);
  assert.equal(rates.of(2), undefined);
  assert.equal(rates.secondsLeft(seen), undefined);
  assert.equal(rates.secondsLeft(generation([stream('box-0', 10, 10)])), 0);
});

test('times have two units at most, and no gap between them', () => {
  assert.equal(durationOf('en', 0), '0 sec');
  assert.equal(durationOf('en', 59.4), '59 sec');
  assert.equal(durationOf('en', 61), '1 min 1 sec');
  assert.equal(durationOf('en', 120), '2 min');
  assert.equal(durationOf('en', 3600 + 5), '1 hr');
  assert.equal(durationOf('en', 2 * 86_400 + 3 * 3600 + 59), '2 days 3 hr');
  assert.equal(durationOf('ko', 3661), '1시간 1분');
  assert.equal(durationOf('en', -5), '0 sec');
});

test('numbers, rates, parts and sizes', () => {
  assert.equal(numberOf('en', 1234567), '1,234,567');
  assert.equal(numberOf('en', null), '?');
  assert.equal(rateOf('en', undefined), '–');
  assert.equal(rateOf('en', 0), '0');
  assert.equal(rateOf('en', 3.14), '3.1');
  assert.equal(rateOf('en', 1234.5), '1,235');
  assert.equal(percentOf('en', 999_999, 1_000_000), '99.9%');
  assert.equal(percentOf('en', 1_000_000, 1_000_000), '100%');
  assert.equal(percentOf('en', 0, 0), '100%');
  assert.equal(bytesOf('en', 512), '512 byte');
  assert.equal(bytesOf('en', 1536), '1.5 kB');
});

test('a local time becomes a moment, and back', () => {
  const local = localOf(new Date('2026-11-30T12:34:56Z'));
  assert.equal(momentOf(local), '2026-11-30T12:34:00.000Z');
  assert.equal(momentOf(''), null);
  assert.equal(momentOf('yesterday'), null);
});

test('the newest commands of all streams are kept, the newest first', () => {
  const entry = (at, stream, sequence) => ({ at, stream, sequence });
  const newest = new Newest(3);
  newest.add([entry('2026-01-01T00:00:01Z', 'box-0', 1), entry('2026-01-01T00:00:05Z', 'box-0', 2)]);
  newest.add([entry(null, 'box-1', 1), entry('2026-01-01T00:00:03Z', 'box-1', 2)]);
  newest.add([entry('2026-01-01T00:00:05Z', 'user', 1)]);
  const places = () => newest.list().map(({ stream: name, sequence }) => `${name} ${sequence}`);
  assert.deepEqual(places(), ['user 1', 'box-0 2', 'box-1 2']);
  assert.equal(newest.omitted, 2);
  newest.add([entry('2026-01-01T00:00:04Z', 'user', 2)]);
  assert.deepEqual(places(), ['user 1', 'box-0 2', 'user 2']);
  assert.equal(newest.omitted, 3);
});

test('the claims of a token are read, and other texts are refused', () => {
  const token = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
  assert.deepEqual(claimsOf(token({ sub: 'ops', role: 'operator' })), { sub: 'ops', role: 'operator' });
  assert.deepEqual(claimsOf(token({ sub: 'ana-~ÿ' })), { sub: 'ana-~ÿ', role: 'user' });
  for (const text of ['', 'a.b.c', 'none', token({ role: 'operator' }), token({ sub: 7 })]) {
    assert.throws(() => claimsOf(text), { name: 'NoToken' }, text);
  }
  assert.deepEqual(['operator', 'moderator', 'user', 'device'].map(isStaffRole), [true, true, false, false]);
});

test('forms: the end of a suspension, types of events, and secrets', () => {
  const now = Date.parse('2026-11-30T12:00:00Z');
  assert.equal(endOf('week', now), '2026-12-07T12:00:00.000Z');
  assert.equal(endOf('ever', now), null);
  assert.deepEqual(typesOf(' order_arrived,room_closed\n room_closed '), ['order_arrived', 'room_closed']);
  assert.deepEqual(typesOf(' , '), []);
  assert.match(newSecret(), /^[0-9a-f]{64}$/);
  assert.notEqual(newSecret(), newSecret());
});

test('addresses of views are read as they were written', () => {
  for (const [view, id] of [['users'], ['users', 'ana'], ['boxes', 'box-1'], ['pushes', 'a/b?c%'], ['audit']]) {
    const path = at(view, id).replace('#/operator/', '');
    assert.deepEqual(parsePath(path), id === undefined ? { view } : { view, id });
  }
  const path = auditOf({ actor: 'ana', box: 'box-1' }).replace('#/operator/', '');
  assert.deepEqual(parsePath(path), { view: 'audit', query: { actor: 'ana', box: 'box-1' } });
  assert.deepEqual(parsePath(''), { view: 'reports' });
  assert.deepEqual(parsePath('nowhere/1'), { view: 'reports', id: '1' });
  assert.deepEqual(parsePath('users/%'), { view: 'users' });
});
