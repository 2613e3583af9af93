/** The state of the network and of the page. */

/** The surroundings of a client: those of the browser, or none. */
export interface Environment {
  /** Returns true if the browser is known to be offline. */
  isOffline(): boolean;
  /** Calls back when the network or the page becomes available again. Returns a function that stops this. */
  onAwake(callback: (what: 'network' | 'page') => void): () => void;
}

interface Globals {
  navigator?: { onLine?: boolean };
  document?: EventTarget & { visibilityState?: string };
  addEventListener?: EventTarget['addEventListener'];
  removeEventListener?: EventTarget['removeEventListener'];
}

/** Returns the environment of these globals. */
export function environmentOf(globals: Globals = globalThis as unknown as Globals): Environment {
  return {
    isOffline: () => globals.navigator?.onLine === false,
    onAwake: (callback) => {
      const { document } = globals;
      const onOnline = () => callback('network');
      const onVisible = () => {
        if (document?.visibilityState === 'visible') callback('page');
      };
      globals.addEventListener?.('online', onOnline);
      document?.addEventListener('visibilitychange', onVisible);
      return () => {
        globals.removeEventListener?.('online', onOnline);
        document?.removeEventListener('visibilitychange', onVisible);
      };
    },
  };
}
