/** Prints the size of the first load, and fails if it is too large. */

import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const LIMIT = 150 * 1024;
const dist = new URL('../dist/', import.meta.url);
const html = readFileSync(new URL('index.html', dist), 'utf8');
const files = [...html.matchAll(/(?:src|href)="\/app\/(assets\/[^"]+)"/g)].map(([, name]) => name);
const sizes = ['index.html', ...files].map((name) => [name, gzipSync(readFileSync(new URL(name, dist))).length]);
for (const [name, size] of sizes) console.log(`${(size / 1024).toFixed(1).padStart(7)} KiB  ${name}`);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
console.log(`${(total / 1024).toFixed(1).padStart(7)} KiB  first load, compressed`);
if (total > LIMIT) {
  console.error(`the first load is larger than ${LIMIT / 1024} KiB`);
  process.exit(1);
}
