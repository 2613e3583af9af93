/** The places of a store. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { databases, posted, ROOM } from './support/rooms.js';

for (const [kind, openDatabase] of Object.entries(databases)) {
  describe(`a database in ${kind}`, () => {
    test('returns consecutive events, and drafts in order', async () => {
      const database = await openDatabase('contract');
      const draft = (key: string) => ({
        key,
        room_id: ROOM,
        body: key,
        reply_to: undefined,
        created_at: 0,
        after_v: 0,
        state: 'sending' as const,
      });
      await database.apply(ROOM, {
        events: [1, 3, 4, 5].map((v) => posted(v, `${v}`)),
        drafts: [draft('b'), draft('a')],
      });
      await database.apply('b.2', {
        events: [{ ...posted(9, '9'), room_id: 'b.2' }],
        snapshot: { members: [], info: {} },
      });
      const versions = async (limit: number, before?: number) =>
        (await database.events(ROOM, limit, before)).map(({ v }) => v);
      assert.deepEqual(
        [await versions(10), await versions(2), await versions(10, 5), await versions(10, 3)],
        [[3, 4, 5], [4, 5], [3, 4], [1]],
      );
      assert.deepEqual(
        (await database.drafts(ROOM)).map(({ key }) => key),
        ['a', 'b'],
      );
      assert.deepEqual(await database.snapshot('b.2'), { members: [], info: {} });
      await database.apply(ROOM, { events: [posted(6, '6')], sent: ['a'], clear: true });
      assert.deepEqual([await versions(10), (await database.drafts(ROOM)).map(({ key }) => key)], [[6], ['b']]);
      await database.clear();
      assert.deepEqual(
        [await versions(10), await database.drafts(ROOM), await database.snapshot('b.2')],
        [[], [], undefined],
      );
      database.close();
    });

    test('keeps a bounded number of events', async () => {
      const database = await openDatabase('bounded');
      await database.apply(ROOM, { events: Array.from({ length: 2100 }, (_, index) => posted(index + 1, '')) });
      const events = await database.events(ROOM, 5000);
      assert.deepEqual([events.length, events[0]?.v], [2000, 101]);
      database.close();
    });
  });
}

