import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { devServices } from './scripts/services.js';
import { worker } from './scripts/worker.js';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig({
  base: '/app/',
  plugins: [react(), devServices(), worker()],
  resolve: {
    // The packages of this repository are compiled with the page.
    alias: [
      { find: /^@boxroom\/client\/store$/, replacement: path('../clients/typescript/src/store/index.ts') },
      { find: /^@boxroom\/client$/, replacement: path('../clients/typescript/src/index.ts') },
      { find: /^@boxroom\/react$/, replacement: path('../clients/react/src/index.ts') },
    ],
    dedupe: ['react', 'react-dom'],
  },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { fs: { allow: ['..'] } },
});
