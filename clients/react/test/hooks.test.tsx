import assert from 'node:assert/strict';
import { after, test, type TestContext } from 'node:test';
import { Boxroom } from '@boxroom/client';
import { memoryDatabase, type Database } from '@boxroom/client/store';
import { Window } from 'happy-dom';
import { Service, ROOM_ID } from './support/service.js';

// React takes the document when it is loaded.
const window = new Window();
const values = { window, document: window.document, navigator: window.navigator, IS_REACT_ACT_ENVIRONMENT: true };
for (const [name, value] of Object.entries(values)) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
after(() => window.happyDOM.close());
const { act } = await import('react');
const { createRoot } = await import('react-dom/client');
const hooks = await import('../src/index.js');

type State = {
  connection: string;
  room: ReturnType<typeof hooks.useRoom>;
  messages: ReturnType<typeof hooks.useMessages>;
  presence: ReturnType<typeof hooks.usePresence>;
  unread: number;
  alarms: ReturnType<typeof hooks.useAlarms>;
};

/** A room that is shown, with the last results of all hooks. */
type Shown = { state: State; leave: () => void };

const AT = '2026-11-30T12:00:00.000Z';

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `not reached: ${what}`);
    await act(() => new Promise((resolve) => setTimeout(resolve, 10)));
  }
}

/** A chat with the service. */
function chatOf(service: Service, database?: Database) {
  const client = new Boxroom({
    commandUrl: 'http://boxroom.test',
    queryUrl: 'http://boxroom.test',
    tokens: 'token',
    fetch: service.fetch,
    live: { WebSocket: service.WebSocket, longestDelayMs: 10 },
  });
  return new hooks.Chat({ client, userId: 'ana', ...(database ? { database } : {}) });
}

/** Shows a room of the service with all hooks. */
async function show(context: TestContext, service: Service, database?: Database): Promise<Shown> {
  const chat = chatOf(service, database);
  const shown = {} as Shown;
  function Room() {
    shown.state = {
      connection: hooks.useConnection(),
      room: hooks.useRoom(ROOM_ID),
      messages: hooks.useMessages(ROOM_ID),
      presence: hooks.usePresence(ROOM_ID),
      unread: hooks.useUnread(ROOM_ID),
      alarms: hooks.useAlarms(),
    };
    return null;
  }
  const root = createRoot(document.createElement('div'));
  await act(async () =>
    root.render(
      <hooks.BoxroomProvider chat={chat}>
        <Room />
      </hooks.BoxroomProvider>,
    ),
  );
  shown.leave = () => root.render(null);
  context.after(async () => {
    await act(async () => root.unmount());
    chat.close();
  });
  await until('live', () => shown.state.connection === 'live' && shown.state.room.status === 'ready');
  return shown;
}

const bodies = ({ messages }: State) => messages.messages.map(({ body }) => body);

test('a room shows its messages, and follows changes', async (context) => {
  const service = new Service();
  service.messages = [{ id: 5, author: 'ben', body: 'first' }];
  const shown = await show(context, service);
  assert.deepEqual(bodies(shown.state), ['first']);
  assert.equal(shown.state.room.me?.host, true);
  assert.equal(shown.state.unread, 3);
  service.posted(6, 'ben', 'second');
  service.event('message_edited', {
    message_id: '5',
    body: 'changed',
    erased: false,
    mentions: [],
    mentions_all: false,
  });
  service.event('reaction_added', { message_id: '6', emoji: '👍', user_id: 'ana' });
  service.event('member_joined', { user_id: 'cem', nickname: 'Cem' });
  service.event('room_changed', { title: 'Dinner', title_erased: false });
  service.push({ type: 'signal', room_id: ROOM_ID, kind: 'typing', user_id: 'ben' });
  service.push({ type: 'unread', room_id: ROOM_ID, unread: 4 });
  service.push({
    type: 'alarm',
    id: 'a',
    kind: 'mention',
    at: '2026-11-30T12:00:00.000Z',
    room_id: ROOM_ID,
    by: 'ben',
    count: 1,
  });
  await until('the alarm', () => shown.state.alarms.alarms.length === 1);
  assert.deepEqual(bodies(shown.state), ['changed', 'second']);
  assert.deepEqual(shown.state.messages.messages[1]?.reactions, { '👍': ['ana'] });
  assert.deepEqual(
    shown.state.room.members.map(({ user_id }) => user_id),
    ['ana', 'ben', 'cem'],
  );
  assert.equal(shown.state.room.card?.title, 'Dinner');
  assert.deepEqual(shown.state.presence.typing, ['ben']);
  assert.equal(shown.state.unread, 4);
});

test('a message whose answer is lost is shown once', async (context) => {
  const service = new Service();
  service.posts = ['lost', 'ok'];
  const shown = await show(context, service);
  await act(async () => void (await shown.state.messages.send?.('hello')));
  assert.equal(shown.state.messages.drafts[0]?.state, 'sending');
  await until('the event', () => shown.state.messages.messages.length === 1);
  await until('no draft', () => shown.state.messages.drafts.length === 0);
  assert.deepEqual(bodies(shown.state), ['hello']);
});

test('a message that an earlier page has stored is no draft any more', async (context) => {
  const service = new Service();
  service.messages = [{ id: 1, author: 'ana', body: 'hello' }];
  service.feed = [{ v: 9, type: 'message_posted', at: AT, by: 'ana', command_id: 'earlier', data: { author: 'ana' } }];
  service.posts = ['replayed'];
  const database = memoryDatabase();
  const draft = { key: 'earlier', room_id: ROOM_ID, body: 'hello', reply_to: undefined, created_at: Date.now() };
  await database.apply(ROOM_ID, { drafts: [{ ...draft, after_v: 3, state: 'sending' }] });
  const shown = await show(context, service, database);
  await until('no draft', () => shown.state.messages.drafts.length === 0 && service.posts.length === 0);
  assert.deepEqual([bodies(shown.state), await database.drafts(ROOM_ID)], [['hello'], []]);
});

test('a message of an earlier page is sent, also if its room is not shown', async (context) => {
  const service = new Service();
  const database = memoryDatabase();
  const draft = { key: 'earlier', room_id: ROOM_ID, body: 'hello', reply_to: undefined, created_at: Date.now() };
  await database.apply(ROOM_ID, { drafts: [{ ...draft, after_v: 3, state: 'sending' }] });
  const chat = chatOf(service, database);
  context.after(() => chat.close());
  await until('the message', () => service.messages.some(({ body }) => body === 'hello'));
  await until('the room is left', () => chat.room(ROOM_ID) === undefined);
  assert.deepEqual(await database.drafts(ROOM_ID), []);
});

test('a message is sent also if the user leaves the room at once', async (context) => {
  const service = new Service();
  service.posts = ['down', 'down', 'down', 'ok'];
  const shown = await show(context, service);
  await act(async () => void (await shown.state.messages.send?.('hello')));
  await act(async () => shown.leave());
  await until('the message', () => service.messages.some(({ body }) => body === 'hello'));
  assert.equal(service.posts.length, 0);
});

test('a refused message fails, and can be sent again', async (context) => {
  const service = new Service();
  service.posts = ['refused', 'ok'];
  const shown = await show(context, service);
  await act(async () => void (await shown.state.messages.send?.('hello')));
  await until('the failure', () => shown.state.messages.drafts[0]?.state === 'failed');
  const draft = shown.state.messages.drafts[0];
  assert.equal(draft?.code, 'muted');
  await act(async () => shown.state.messages.retry?.(draft?.key ?? ''));
  await until('the event', () => shown.state.messages.messages.length === 1);
  assert.equal(shown.state.messages.drafts.length, 0);
});

test('a window away from the end counts new messages, and returns', async (context) => {
  const service = new Service();
  service.messages = Array.from({ length: 300 }, (_, index) => ({
    id: index + 1,
    author: 'ben',
    body: `${index + 1}`,
  }));
  const shown = await show(context, service);
  assert.deepEqual([shown.state.messages.messages.length, shown.state.messages.hasEarlier], [50, true]);
  await act(async () => shown.state.messages.loadEarlier?.());
  assert.deepEqual([bodies(shown.state)[0], shown.state.messages.messages.length], ['151', 150]);
  await act(async () => void (await shown.state.messages.jumpTo?.('20')));
  assert.equal(shown.state.messages.hasLater, true);
  service.posted(301, 'ben', '301');
  await until('a new message below', () => shown.state.messages.newBelow === 1);
  await act(async () => shown.state.messages.loadLater?.());
  assert.deepEqual([bodies(shown.state).at(-1), shown.state.messages.hasLater], ['121', true]);
  await act(async () => shown.state.messages.jumpToNewest?.());
  assert.deepEqual([bodies(shown.state).at(-1), shown.state.messages.hasLater], ['301', false]);
});

test('an interruption is told, and a kick ends the room', async (context) => {
  const service = new Service();
  const shown = await show(context, service);
  await act(async () => service.drop());
  assert.equal(shown.state.connection, 'reconnecting');
  await until('live again', () => shown.state.connection === 'live');
  service.event('member_kicked', { user_id: 'ana' });
  await until('the kick', () => shown.state.room.place === 'kicked');
});
