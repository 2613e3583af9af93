/** The types of `operator/protocol.ts` have the fields of the crate `operator-protocol`. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const crate = new URL('../../crates/operator-protocol/src/', import.meta.url);
const files = readdirSync(crate).filter((file) => file.endsWith('.rs'));
const rust = files.map((file) => readFileSync(new URL(file, crate), 'utf8')).join('\n');
const source = readFileSync(new URL('../src/operator/protocol.ts', import.meta.url), 'utf8');

/** Fields that a client of the crate computes. */
const COMPUTED = ['events_per_second', 'seconds_left'];

/** Returns the fields of a struct by their names in JSON. */
function fieldsOf(name) {
  const found = new RegExp(`pub struct ${name} \\{([^}]*)\\}`).exec(rust);
  assert.ok(found, `the crate has no struct ${name}`);
  const fields = [];
  let renamed;
  for (const line of found[1].split('\n')) {
    renamed = /rename = "(\w+)"/.exec(line)?.[1] ?? renamed;
    const field = /^\s*pub (\w+):/.exec(line)?.[1];
    if (!field) continue;
    fields.push(renamed ?? field);
    renamed = undefined;
  }
  return fields.filter((field) => !COMPUTED.includes(field)).sort();
}

/** Returns the variants of an enum as `snake_case`. */
function variantsOf(name) {
  const found = new RegExp(`pub enum ${name} \\{([^}]*)\\}`).exec(rust);
  assert.ok(found, `the crate has no enum ${name}`);
  const names = [...found[1].matchAll(/^\s{4}([A-Z]\w*)/gm)].map(([, variant]) => variant.toLowerCase());
  return names.sort();
}

test('every interface has the fields of the types that it names', () => {
  const found = [...source.matchAll(/\/\*\* (`[^*]*)\*\/\nexport interface \w+ \{([^]*?)\n\}/g)];
  const named = [];
  for (const [, comment, body] of found) {
    const fields = [...body.matchAll(/^  (\w+)\??:/gm)].map(([, field]) => field).sort();
    const end = /[:.]/.exec(comment)?.index ?? comment.length;
    for (const [, name] of comment.slice(0, end).matchAll(/`(\w+)`/g)) {
      assert.deepEqual(fields, fieldsOf(name), name);
      named.push(name);
    }
  }
  assert.ok(named.length >= 30, `only ${named.length} types are compared`);
});

test('states and goals have the names of the crate', () => {
  for (const name of ['State', 'Goal', 'Service']) {
    const union = new RegExp(`export type ${name} = ([^;]*);`).exec(source)[1];
    assert.deepEqual([...union.matchAll(/'(\w+)'/g)].map(([, value]) => value).sort(), variantsOf(name), name);
  }
});

test('every request of the crate has its verb', () => {
  const verbs = [...rust.matchAll(/const VERB: &'static str = "(\w+)"/g)].map(([, verb]) => verb).sort();
  const tables = [...source.matchAll(/export interface (?:Projector|Notifier)Requests \{([^]*?)\n\}/g)];
  const known = tables.flatMap(([, body]) => [...body.matchAll(/^  (\w+):/gm)].map(([, verb]) => verb)).sort();
  assert.deepEqual(known, verbs);
});
