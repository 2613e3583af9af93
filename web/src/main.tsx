/** The start of the page. */

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.js';
import { readConfig } from './lib/config.js';
import { applyTheme, theme } from './lib/preferences.js';
import { PageSession } from './lib/session.js';
import { startWorker } from './lib/worker.js';
import './styles/base.css';
import './styles/parts.css';
import './styles/shell.css';
import './styles/room.css';
import { WordsProvider } from './texts/index.js';

applyTheme(theme());

/** Reads the configuration until it is there. */
async function session(): Promise<PageSession> {
  for (let delay = 500; ; delay = Math.min(delay * 2, 10_000)) {
    try {
      return new PageSession(await readConfig());
    } catch {
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
}

const starting = session();
createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <WordsProvider>
      <App starting={starting} />
    </WordsProvider>
  </StrictMode>,
);
void starting.then((started) => started.start());
if (import.meta.env.PROD) startWorker();
