/** Sessions: sign-in, refresh and sign-out. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Boxroom,
  memoryStorage,
  NetworkError,
  SignedOut,
  tabsStorage,
  type SessionStorage,
  type StoredSession,
} from '../src/index.js';
import { Problem } from '../src/rest/problem.js';
import { SessionTokens } from '../src/session.js';
import { sleep } from '../src/time.js';
import { BREAK, HttpServer, ok, problem, type Reply } from './support/http-server.js';

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

const STALL: Reply = () => {};
const STALL_IN_BODY: Reply = (response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).write('{"access_token"');
};

for (const [where, stall] of Object.entries({ 'before its answer': STALL, 'in its answer': STALL_IN_BODY })) {
  test(`a refresh that stalls ${where} is repeated while the service gives the answer again`, async (context) => {
    const times: number[] = [];
    const server = await HttpServer.start((response, request) => {
      if (request.url !== '/sessions/refresh') return ok(200, tokens(0, 0))(response, request);
      times.push(Date.now());
      // The token is replaced, but the client does not learn it.
      if (times.length === 1) return stall(response, request);
      const isOver = Date.now() - (times[0] as number) > 10_000;
      return (isOver ? problem(401, 'refresh-token-reused') : ok(200, tokens(1)))(response, request);
    });
    context.after(() => server.stop());
    const boxroom = new Boxroom({ commandUrl: server.url, queryUrl: server.url });
    await boxroom.signIn('ana', 'correct horse');
    await boxroom.api.showMe();
    assert.equal(server.requests.at(-1)?.headers.authorization, 'Bearer access 1');
    assert.ok((times[1] as number) - (times[0] as number) < 5000);
  });
}

test('a refresh without an answer ends before the service takes a repeat for theft', async (context) => {
  const times: number[] = [];
  const server = await HttpServer.start((response, request) => {
    if (request.url !== '/sessions/refresh') return ok(200, tokens(0, 0))(response, request);
    times.push(Date.now());
    return undefined;
  });
  context.after(() => server.stop());
  const boxroom = new Boxroom({ commandUrl: server.url, queryUrl: server.url });
  await boxroom.signIn('ana', 'correct horse');
  await assert.rejects(boxroom.api.showMe(), NetworkError);
  assert.ok(times.length >= 2 && (times.at(-1) as number) - (times[0] as number) < 9000, String(times));
  assert.equal(await boxroom.isSignedIn(), true);
});

test('a lost refresh is not repeated until the access token is used up', async () => {
  const storage = memoryStorage();
  let refreshes = 0;
  const refresh = async () => {
    refreshes += 1;
    throw new TypeError('fetch failed');
  };
  const session = new SessionTokens(storage, refresh, () => {});
  await session.store(tokens(0), Date.now() - 800_000);
  assert.equal(await session.token(), 'access 0');
  const stored = (await storage.load()) as StoredSession;
  assert.equal(refreshes, 1);
  // Ten seconds later, perhaps in another tab or after a reload.
  await storage.save({ ...stored, refreshed_at: (stored.refreshed_at ?? Date.now()) - 10_000 });
  const later = new SessionTokens(storage, refresh, () => {});
  assert.deepEqual([await later.token(), await later.renew('access 0'), refreshes], ['access 0', 'access 0', 1]);
  // There is nothing to lose any more: it is refused, or over.
  await assert.rejects(later.token('access 0'), TypeError);
  await storage.save({ ...((await storage.load()) as StoredSession), expires_at: Date.now() });
  await assert.rejects(later.token(), TypeError);
  assert.equal(refreshes, 3);
});

test('a refresh that was overtaken by another session leaves that session', async () => {
  const refused = new Problem(401, 'invalid-refresh-token', '', '', undefined, 0, []);
  for (const answer of [tokens(1), refused]) {
    const storage = memoryStorage();
    const other = new SessionTokens(storage, async () => tokens(9), () => {});
    const session = new SessionTokens(
      storage,
      async () => {
        // Another tab signs out and in again. It has no lock in common with this one.
        await other.store(undefined);
        await other.store(tokens(5));
        if (answer instanceof Problem) throw answer;
        return answer;
      },
      () => assert.fail('signed out'),
    );
    await session.store(tokens(0, 0));
    assert.equal(await session.token(), 'access 5');
    assert.equal((await storage.load())?.refresh_token, 'refresh 5');
  }
});

test('a refresh that was overtaken by a sign-out does not bring the session back', async () => {
  const storage = memoryStorage();
  const session = new SessionTokens(
    storage,
    async () => {
      await storage.save(undefined);
      return tokens(1);
    },
    () => {},
  );
  await session.store(tokens(0, 0));
  await assert.rejects(session.token(), SignedOut);
  assert.equal(await session.exists(), false);
});

test('signing in and out wait for a running refresh, also of another tab', async () => {
  for (const place of [{ ...memoryStorage(), name: 'shared' }, memoryStorage()]) {
    let answer = (_: ReturnType<typeof tokens>) => {};
    const refresh = () => new Promise<ReturnType<typeof tokens>>((resolve) => (answer = resolve));
    const shared = locks();
    const first = new SessionTokens(place, refresh, () => {}, shared);
    const second = place.name === undefined ? first : new SessionTokens(place, refresh, () => {}, shared);
    await first.store(tokens(0, 0));
    const refreshing = first.token();
    await sleep(10);
    let stored = false;
    const storing = second.store(tokens(5)).then(() => (stored = true));
    await sleep(10);
    assert.equal(stored, false);
    answer(tokens(1));
    await Promise.all([refreshing, storing]);
    assert.equal((await place.load())?.refresh_token, 'refresh 5');
  }
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

test('other services get a valid token, and another one for a refused one', async (context) => {
  let refreshes = 0;
  const server = await HttpServer.start((response, request) => {
    if (request.url === '/sessions/refresh') refreshes += 1;
    return ok(200, tokens(refreshes))(response, request);
  });
  context.after(() => server.stop());
  const boxroom = new Boxroom({ commandUrl: server.url, queryUrl: server.url });
  await assert.rejects(boxroom.accessToken(), SignedOut);
  await boxroom.signIn('ana', 'correct horse');
  assert.equal(await boxroom.accessToken(), 'access 0');
  assert.equal(await boxroom.accessToken('access 0'), 'access 1');
  assert.equal(await boxroom.accessToken('access 0'), 'access 1', 'it was replaced before');
  assert.equal(refreshes, 1);
  const external = new Boxroom({ commandUrl: server.url, queryUrl: server.url, tokens: 'printed' });
  assert.equal(await external.accessToken('printed'), 'printed');
});
