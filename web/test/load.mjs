/** Modules of the page for tests without a browser. */

import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

/** Compiles and imports a module of `src`. */
export async function load(name) {
  const file = fileURLToPath(new URL(`../src/${name}`, import.meta.url));
  const { module } = await runnerImport(file, { configFile: false, logLevel: 'error' });
  return module;
}
