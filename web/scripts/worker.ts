/** Writes the service worker with the list of files of the build. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

/** Files of `public` that the page needs to start. */
const STATIC = ['config.json', 'icon.svg', 'manifest.webmanifest'];

/** Files of the page of operators, which needs a network. */
const OPERATOR = /^assets\/operator-/;

/** Emits `sw.js`. */
export function worker(): Plugin {
  return {
    name: 'boxroom-worker',
    apply: 'build',
    generateBundle(_, bundle) {
      const files = Object.keys(bundle).filter((name) => /\.(js|css)$/.test(name) && !OPERATOR.test(name));
      const listed = ['./', ...STATIC, ...files.sort()];
      const content = Object.values(bundle).map((file) => ('code' in file ? file.code : String(file.source)));
      const version = createHash('sha256').update(content.join('\n')).digest('hex').slice(0, 12);
      const source = readFileSync(fileURLToPath(new URL('../src/worker/sw.js', import.meta.url)), 'utf8')
        .replace("'%VERSION%'", JSON.stringify(version))
        .replace("['%FILES%']", JSON.stringify(listed));
      if (/%(VERSION|FILES)%/.test(source)) this.error('the places of the service worker were not found');
      this.emitFile({ type: 'asset', fileName: 'sw.js', source });
    },
  };
}
