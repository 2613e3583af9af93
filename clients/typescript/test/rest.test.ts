/** Requests: repeats, tokens and positions. */

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Boxroom, NetworkError, Problem, uuidv7, type BoxroomOptions } from '../src/index.js';
import { sleep } from '../src/time.js';
import { Positions } from '../src/rest/positions.js';
import { BREAK, HttpServer, ok, problem, type Reply } from './support/http-server.js';

const SAY = { room: 'b.1', body: { body: 'hello' } };

async function serve(context: TestContext, ...replies: Reply[]): Promise<HttpServer> {
  const server = await HttpServer.start(...replies);
  context.after(() => server.stop());
  return server;
}

function client(server: HttpServer, more: Partial<BoxroomOptions> = {}): Boxroom {
  return new Boxroom({ commandUrl: server.url, queryUrl: server.url, tokens: 'a token', ...more });
}

test('a command is repeated with the same key and the same bytes until there is an answer', async (context) => {
  const server = await serve(
    context,
    problem(503, 'log-unavailable'),
    BREAK,
    problem(429, 'rate-limited'),
    ok(201, { id: '7' }),
  );
  assert.deepEqual(await client(server).api.postMessage(SAY), { id: '7' });
  assert.equal(server.requests.length, 4);
  const [first, ...repeats] = server.requests;
  assert.match(String(first?.headers['idempotency-key']), /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  for (const repeat of repeats) {
    const seen = [repeat.method, repeat.url, repeat.body, repeat.headers['idempotency-key']];
    assert.deepEqual(seen, [first?.method, first?.url, first?.body, first?.headers['idempotency-key']]);
  }
});

test('an answer whose body is lost is repeated', async (context) => {
  const cut: Reply = (response) => {
    response.writeHead(201, { 'content-type': 'application/json', 'content-length': '100' });
    response.write('{"id"', () => response.destroy());
  };
  const server = await serve(context, cut, ok(201, { id: '7' }, { 'idempotent-replay': 'true' }));
  assert.deepEqual(await client(server).request('postMessage', SAY), {
    data: { id: '7' },
    status: 201,
    replayed: true,
  });
});

test('another service is tried after a failure', async (context) => {
  const good = await serve(context, ok(200, { items: [], next: null }));
  const gone = await HttpServer.start(BREAK);
  gone.stop();
  for (let round = 0; round < 6; round += 1) {
    const boxroom = new Boxroom({ commandUrl: gone.url, queryUrl: [gone.url, good.url], tokens: 'a token' });
    assert.deepEqual(await boxroom.api.listBoxes(), { items: [], next: null });
  }
});

test('a refusal is a problem with its fields', async (context) => {
  const errors = [{ pointer: '/body', detail: 'is required' }];
  const server = await serve(context, problem(422, 'invalid-body', {}, { errors }));
  await assert.rejects(client(server).api.postMessage(SAY), (error) => {
    assert.ok(error instanceof Problem);
    assert.deepEqual([error.status, error.code, error.requestId, error.errors], [422, 'invalid-body', 'r-1', errors]);
    return true;
  });
  assert.equal(server.requests.length, 1);
});

test('a refusal without a problem has a code too', async (context) => {
  const server = await serve(context, (response) => response.writeHead(431).end());
  await assert.rejects(client(server).api.showMe(), { code: 'http-431', status: 431 });
});

test('a wait beyond the deadline is left to the application', async (context) => {
  const server = await serve(context, problem(503, 'log-full', { 'retry-after': '60' }));
  await assert.rejects(client(server, { deadlineMs: 2000 }).api.postMessage(SAY), {
    code: 'log-full',
    retryAfterMs: 60_000,
  });
  assert.equal(server.requests.length, 1);
});

test('the waiting time of the service is respected', async (context) => {
  const server = await serve(context, problem(429, 'rate-limited', { 'retry-after': '1' }), ok(204));
  const start = Date.now();
  assert.equal(await client(server).api.leaveRoom({ room: 'b.1' }), undefined);
  assert.ok(Date.now() - start >= 1000);
});

test('quotas, wrong passwords and boxes in quarantine are not tried again', async (context) => {
  const server = await serve(
    context,
    problem(429, 'too-many-messages'),
    problem(429, 'too-many-attempts'),
    problem(503, 'box-quarantined'),
  );
  const boxroom = client(server);
  await assert.rejects(boxroom.api.postMessage(SAY), { code: 'too-many-messages' });
  await assert.rejects(boxroom.signIn('ana', 'wrong'), { code: 'too-many-attempts' });
  await assert.rejects(boxroom.api.showRoom({ room: 'b.1' }), { code: 'box-quarantined' });
  assert.equal(server.requests.length, 3);
});

test('a service that cannot be reached is a network error after the deadline', async () => {
  const gone = await HttpServer.start(BREAK);
  gone.stop();
  await assert.rejects(client(gone, { deadlineMs: 300 }).api.showMe(), NetworkError);
});

test('a request can be aborted', async (context) => {
  const server = await serve(context, () => {});
  const reason = new Error('enough');
  const asking = client(server).api.showMe({}, { signal: AbortSignal.timeout(200) });
  await assert.rejects(asking, { name: 'TimeoutError' });
  await assert.rejects(client(server).api.showMe({}, { signal: AbortSignal.abort(reason) }), reason);
});

test('reads include the own commands', async (context) => {
  const position = { 'event-position': 'box-1.i.7, marker-0.i.3' };
  const server = await serve(
    context,
    ok(201, { id: '7' }, position),
    ok(200, {}),
    problem(400, 'invalid-position'),
    ok(200, {}),
  );
  const boxroom = client(server);
  await boxroom.api.postMessage(SAY);
  await boxroom.api.showMe();
  // After a restore the positions are those of another log.
  await boxroom.api.showMe();
  const sent = server.requests.map(({ headers }) => headers['min-position']);
  const both = 'box-1.i.7, marker-0.i.3';
  assert.deepEqual(sent, [undefined, both, both, undefined]);
});

test('the highest position of each stream is kept', () => {
  const positions = new Positions();
  assert.equal(positions.header(), undefined);
  for (const header of ['a.i.9', 'b.i.2', 'a.i.10', 'a.i.3', 'b.j.1', 'nonsense', null]) positions.remember(header, 0);
  assert.equal(positions.header(0), 'a.i.10, b.j.1');
  for (let stream = 0; stream < 20; stream += 1) positions.remember(`s${stream}.i.1`, 0);
  assert.equal(positions.header(0)?.split(', ').length, 16);
  assert.equal(positions.header(11 * 60 * 1000), undefined);
});

test('parameters are encoded, and missing ones are reported', async (context) => {
  const server = await serve(context, ok(204), ok(200, { items: [] }));
  const boxroom = client(server);
  await boxroom.api.addReaction({ room: 'b.1', message: '7', emoji: '👍/?' });
  await boxroom.api.listUsers({ ids: 'ana,ben' });
  assert.deepEqual(
    server.requests.map(({ method, url }) => `${method} ${url}`),
    ['PUT /rooms/b.1/messages/7/reactions/%F0%9F%91%8D%2F%3F', 'GET /users?ids=ana%2Cben'],
  );
  await assert.rejects(boxroom.api.showRoom({ room: '' }), TypeError);
});

/** A response with lines, which breaks, ends or stays open after them. */
function lines(then: 'break' | 'end' | 'open', ...lines: object[]): Reply {
  return (response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    // The last byte comes later, so that lines are cut.
    response.write(text.slice(0, -1), () => {
      response.write(text.slice(-1), () => {
        if (then === 'break') response.destroy();
        if (then === 'end') response.end();
      });
    });
  };
}
const at = (cursor: string) => ({ type: 'cursor', cursor });
const message = (message_id: string) => ({ type: 'message', message_id, body: 'naïve 🍜' });

test('an export continues from its last cursor, and each line comes once', async (context) => {
  const server = await serve(
    context,
    lines('break', { type: 'export', format: 1, user_id: 'ana' }),
    lines('break', { type: 'export', format: 1, user_id: 'ana' }, message('1'), at('one'), message('2')),
    problem(429, 'too-many-exports', { 'retry-after': '1' }),
    lines('end', message('2'), message('3'), at('two')),
    lines('end', message('4'), { type: 'end' }),
  );
  const found = [];
  for await (const line of client(server).exportMe()) found.push(line);
  const whole = [message('1'), at('one'), message('2'), message('3'), at('two'), message('4'), { type: 'end' }];
  assert.deepEqual(found, [{ type: 'export', format: 1, user_id: 'ana' }, ...whole]);
  const [begin, one, two] = ['/me/export', '/me/export?cursor=one', '/me/export?cursor=two'];
  assert.deepEqual(
    server.requests.map(({ url }) => url),
    [begin, begin, one, one, two],
  );
});

test('an export is streamed, and ends with its loop', async (context) => {
  let closed = false;
  const server = await serve(context, (response, request) => {
    response.on('close', () => (closed = true));
    lines('open', message('1'), at('one'))(response, request);
  });
  for await (const line of client(server).exportMe({ cursor: 'zero' })) {
    assert.deepEqual(line, message('1'));
    break;
  }
  await sleep(100);
  assert.deepEqual([closed, server.requests[0]?.url], [true, '/me/export?cursor=zero']);
  const aborted = client(server).exportMe({ signal: AbortSignal.timeout(100) });
  await assert.rejects(async () => {
    for await (const _ of aborted);
  }, { name: 'TimeoutError' });
});

test('an export beyond the limit of an hour is left to the application', async (context) => {
  const server = await serve(context, problem(429, 'too-many-exports', { 'retry-after': '1800' }));
  await assert.rejects(client(server).exportMe().next(), { code: 'too-many-exports', retryAfterMs: 1_800_000 });
  assert.equal(server.requests.length, 1);
  assert.equal('exportMe' in client(server).api, false);
});

test('keys are ordered by time', () => {
  const keys = [1, 2, 2 ** 40].map((time) => uuidv7(time));
  assert.deepEqual([...keys].sort(), keys);
  assert.equal(new Set(Array.from({ length: 100 }, () => uuidv7(1))).size, 100);
});
