/** Sessions: sign-in, refresh and sign-out. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Boxroom, memoryStorage, SignedOut, tabsStorage, type SessionStorage } from '../src/index.js';
import { Problem } from '../src/rest/problem.js';
import { SessionTokens } from '../src/session.js';
import { BREAK, HttpServer, ok, problem } from './support/http-server.js';

const tokens = (number: number, expires_in = 900) => ({
  access_token: `access ${number}`,
  refresh_token: `refresh ${number}`,
  token_type: 'Bearer',
  expires_in,
});

test('a refused token is refreshed once for all requests, and a lost answer is repeated', async (context) => {
  const expired = problem(401, 'expired-token');
  let refreshes = 0;
  const server = await HttpServer.start((response, request) => {
    if (request.url === '/sessions') return ok(200, tokens(0))(response, request);
    if (request.url === '/sessions/refresh') {
      refreshes += 1;
      assert.deepEqual(JSON.parse(request.body), { refresh_token: 'refresh 0' });
      return (refreshes === 1 ? BREAK : ok(200, tokens(1)))(response, request);
    }
    return (request.headers.authorization === 'Bearer access 1' ? ok(200, {}) : expired)(response, request);
  });
  context.after(() => server.stop());
  const boxroom = new Boxroom({ commandUrl: server.url, queryUrl: server.url });
  await assert.rejects(boxroom.api.showMe(), SignedOut);
  await boxroom.signIn('ana', 'correct horse');
  await Promise.all(Array.from({ length: 5 }, () => boxroom.api.showMe()));
  assert.equal(refreshes, 2);
});

test('a session that has ended is removed and reported', async (context) => {
  const server = await HttpServer.start((response, request) => {
    if (request.url === '/sessions') return ok(200, tokens(0, 0))(response, request);
    return problem(401, 'refresh-token-reused')(response, request);
  });
  context.after(() => server.stop());
  const reasons: SignedOut[] = [];
  const boxroom = new Boxroom({
    commandUrl: server.url,
    queryUrl: server.url,
    onSignedOut: (reason) => reasons.push(reason),
  });
  await boxroom.signIn('ana', 'correct horse');
  assert.equal(await boxroom.isSignedIn(), true);
  await assert.rejects(boxroom.api.showMe(), SignedOut);
  assert.equal(await boxroom.isSignedIn(), false);
  assert.equal(reasons[0]?.problem?.code, 'refresh-token-reused');
});

test('a sign-out ends the session at the service and here', async (context) => {
  const server = await HttpServer.start(ok(200, tokens(0)), ok(204));
  context.after(() => server.stop());
  const boxroom = new Boxroom({ commandUrl: server.url, queryUrl: server.url });
  await boxroom.signIn('ana', 'correct horse');
  const { live } = boxroom;
  await boxroom.signOut();
  const last = server.requests.at(-1);
  assert.deepEqual(
    [last?.method, last?.url, last?.headers.authorization],
    ['DELETE', '/sessions/current', 'Bearer access 0'],
  );
  assert.equal(await boxroom.isSignedIn(), false);
  assert.notEqual(boxroom.live, live);
});

/** Locks as those of a browser, shared by tabs. */
function locks() {
  let last: Promise<unknown> = Promise.resolve();
  return {
    request<T>(_: string, callback: () => Promise<T>): Promise<T> {
      const result = last.then(callback);
      last = result.catch(() => {});
      return result;
    },
  };
}

test('tabs refresh a shared session one after another', async () => {
  const storage: SessionStorage = { ...memoryStorage(), name: 'shared' };
  const shared = locks();
  let number = 0;
  const refresh = async (refreshToken: string | undefined) => {
    assert.equal(refreshToken, `refresh ${number}`);
    number += 1;
    return tokens(number);
  };
  const tabs = [1, 2, 3].map(() => new SessionTokens(storage, refresh, () => {}, shared));
  await tabs[0]?.store(tokens(0));
  assert.equal(await tabs[0]?.token(), 'access 0');
  assert.deepEqual(await Promise.all(tabs.map((tab) => tab.token('access 0'))), Array(3).fill('access 1'));
  assert.equal(number, 1);
});

test('a token is refreshed after three quarters of its lifetime, and used until the end if that fails', async () => {
  const storage = memoryStorage();
  let fails = true;
  const refresh = async () => {
    if (fails) throw new TypeError('fetch failed');
    return tokens(1);
  };
  const session = new SessionTokens(storage, refresh, () => {});
  await session.store(tokens(0, 100), Date.now() - 80_000);
  assert.equal(await session.token(), 'access 0');
  await assert.rejects(session.token('access 0'), TypeError);
  fails = false;
  assert.equal(await session.token(), 'access 1');
});

test('a refusal other than of the refresh token keeps the session', async () => {
  const session = new SessionTokens(
    memoryStorage(),
    async () => {
      throw new Problem(503, 'log-unavailable', '', '', undefined, 0, []);
    },
    () => assert.fail('signed out'),
  );
  await session.store(tokens(0, 0));
  await assert.rejects(session.token(), Problem);
  assert.equal(await session.exists(), true);
});

/** A function like a browser's `fetch` that keeps cookies, and sends them with the credentials only. */
function browserFetch(jar: { cookie: string | undefined }): typeof fetch {
  return async (input, init) => {
    const headers = new Headers(init?.headers);
    const isIncluded = init?.credentials === 'include';
    if (isIncluded && jar.cookie !== undefined) headers.set('cookie', jar.cookie);
    const response = await fetch(input, { ...init, headers });
    const cookie = response.headers.getSetCookie()[0];
    if (isIncluded && cookie !== undefined) jar.cookie = /Max-Age=0/.test(cookie) ? undefined : cookie.split(';')[0];
    return response;
  };
}

test('with a cookie, scripts never see the refresh token', async (context) => {
  let number = 0;
  const server = await HttpServer.start((response, request) => {
    const isOfCookie = request.headers['boxroom-session'] === 'cookie';
    const { refresh_token: _, ...answer } = tokens(number);
    const cookie = (value: string) => ({ 'set-cookie': `boxroom_refresh=${value}; HttpOnly; SameSite=Strict` });
    if (request.method === 'DELETE') {
      assert.ok(isOfCookie);
      return ok(204, undefined, cookie('; Max-Age=0'))(response, request);
    }
    if (request.url === '/sessions') {
      assert.ok(isOfCookie);
      return ok(200, answer, cookie('0'))(response, request);
    }
    if (request.url === '/sessions/refresh') {
      assert.deepEqual([isOfCookie, request.body], [true, '']);
      if (request.headers.cookie !== `boxroom_refresh=${number}`) {
        return problem(401, 'invalid-refresh-token')(response, request);
      }
      number += 1;
      return ok(200, { ...answer, access_token: `access ${number}` }, cookie(String(number)))(response, request);
    }
    assert.deepEqual([isOfCookie, request.headers.cookie], [false, undefined]);
    return ok(200, {})(response, request);
  });
  context.after(() => server.stop());
  const jar = { cookie: undefined };
  const open = () => {
    const storage = tabsStorage(`tabs of ${server.url}`);
    context.after(() => storage.close());
    const onSignedOut = () => assert.fail('signed out');
    return new Boxroom({
      commandUrl: server.url, queryUrl: server.url, session: 'cookie', storage, fetch: browserFetch(jar), onSignedOut,
    });
  };
  const first = open();
  assert.equal(await first.isSignedIn(), false);
  await first.signIn('ana', 'correct horse');
  await first.api.showMe();
  // Another tab gets the access token from the first one.
  const second = open();
  await second.api.showMe();
  assert.equal(number, 0);
  assert.equal(server.requests.at(-1)?.headers.authorization, 'Bearer access 0');
  await second.signOut();
  assert.equal(await second.isSignedIn(), false);
});

test('with a cookie, a reload begins with a refresh', async (context) => {
  const { refresh_token: _, ...answer } = tokens(1);
  const server = await HttpServer.start(ok(200, answer), ok(200, {}));
  context.after(() => server.stop());
  const boxroom = new Boxroom({ commandUrl: server.url, queryUrl: server.url, session: 'cookie' });
  assert.equal(await boxroom.isSignedIn(), true);
  await boxroom.api.showMe();
  assert.deepEqual(server.requests.map(({ url }) => url), ['/sessions/refresh', '/me']);
});
