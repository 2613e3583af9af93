/** The state of the connection. */

import { useConnection } from '@boxroom/react';
import { useEffect, useState } from 'react';
import { useWords } from '../texts/index.js';

/** The time for which a state must hold before it is shown, in milliseconds. */
const CALM_MS = 600;

/** A dot and a word. A short interruption is not shown. */
export function ConnectionMark() {
  const { t } = useWords();
  const state = useConnection();
  const [shown, setShown] = useState(state);
  useEffect(() => {
    const timer = setTimeout(() => setShown(state), state === 'live' || state === 'offline' ? 0 : CALM_MS);
    return () => clearTimeout(timer);
  }, [state]);
  return (
    <p className={`connection is-${shown}`} role="status" title={t(shown)}>
      <span className="dot" aria-hidden="true" />
      <span className="connection-text">{t(shown)}</span>
    </p>
  );
}
