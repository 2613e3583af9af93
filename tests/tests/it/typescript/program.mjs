// Follows a room and posts messages with the TypeScript client. Reports each change on standard output, and everything
// that it has seen when standard input says so.

import { createInterface } from 'node:readline';

const settings = JSON.parse(process.argv[2]);
const { Boxroom } = await import(`${settings.package}/dist/src/index.js`);
const { default: WebSocket } = await import(`${settings.package}/node_modules/ws/wrapper.mjs`);

const boxroom = new Boxroom({
  commandUrl: settings.commands,
  queryUrl: settings.queries,
  tokens: settings.token,
  live: { transport: settings.transport, WebSocket, longestDelayMs: 500 },
});
const events = [];
const posted = [];
let connections = 0;
let stopping = false;

const report = () => console.log(JSON.stringify({ events: events.length, posted: posted.length, connections }));

boxroom.live.on('connected', () => {
  connections += 1;
});
boxroom.live.on('event', (event) => {
  events.push({ v: event.v, type: event.type, body: event.data.body ?? null, own: event.command_id !== undefined });
  report();
});
for (const type of ['ended', 'reset', 'stopped']) {
  boxroom.live.on(type, (data) => {
    console.error(`${type}: ${JSON.stringify(data)}`);
    process.exit(1);
  });
}
boxroom.live.subscribe(settings.room, 0);

createInterface({ input: process.stdin }).once('line', () => {
  stopping = true;
});

while (!stopping) {
  const body = `${settings.name} ${posted.length}`;
  await boxroom.api.postMessage({ room: settings.room, body: { body } }, { deadlineMs: 60_000 });
  posted.push(body);
}

// The whole feed, with the own commands, has been read when its last event has arrived.
const { head_v } = await boxroom.api.listEvents({ room: settings.room, limit: 1 }, { deadlineMs: 60_000 });
while (events.length < head_v) await new Promise((resolve) => setTimeout(resolve, 20));
console.log(JSON.stringify({ finished: { events, posted, connections } }));
boxroom.close();
