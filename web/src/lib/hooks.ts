/** Hooks of the page. */

import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { problemText } from './problems.js';
import { useWords } from '../texts/index.js';
import { toast } from '../ui/toasts.js';

/** The current time, renewed at an interval. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** Returns true while a media query matches. */
export function useMedia(query: string): boolean {
  const subscribe = useCallback(
    (listener: () => void) => {
      const media = matchMedia(query);
      media.addEventListener('change', listener);
      return () => media.removeEventListener('change', listener);
    },
    [query],
  );
  return useSyncExternalStore(subscribe, () => matchMedia(query).matches);
}

/** Returns true if the device has a mouse, and so a keyboard that covers nothing. */
export function hasPointer(): boolean {
  return matchMedia('(pointer: fine)').matches;
}

/** Returns true on wide screens. */
export function useIsWide(): boolean {
  return useMedia('(min-width: 56rem)');
}

/** Runs one request at a time. Its problem is `error`, or a toast with `isToasted`. `describe` has texts of its own. */
export function useAction(isToasted = false, describe?: (problem: unknown) => string | undefined) {
  const words = useWords();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const running = useRef(false);
  const run = async (work: () => Promise<unknown>): Promise<boolean> => {
    if (running.current) return false;
    running.current = true;
    setBusy(true);
    setError(undefined);
    try {
      await work();
      return true;
    } catch (problem) {
      const text = describe?.(problem) ?? problemText(problem, words);
      if (isToasted) toast(text);
      else setError(text);
      return false;
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  return { busy, error, run, setError };
}

/** The result of a read, which is repeated when the key changes. */
export function useLoad<T>(key: string, read: () => Promise<T>) {
  const [state, setState] = useState<{ key: string; data?: T; error?: unknown }>({ key });
  const latest = useRef(read);
  latest.current = read;
  const [round, setRound] = useState(0);
  useEffect(() => {
    let isOver = false;
    latest.current().then(
      (data) => !isOver && setState({ key, data }),
      (error: unknown) => !isOver && setState((last) => (last.key === key ? { ...last, error } : { key, error })),
    );
    return () => {
      isOver = true;
    };
  }, [key, round]);
  const current = state.key === key ? state : { key };
  const reload = useCallback(() => setRound((last) => last + 1), []);
  return { data: current.data, error: current.error, reload, isLoading: !current.data && !current.error };
}

const shown = { title: '', unread: 0 };

function showTitle(): void {
  const count = shown.unread > 0 ? `(${shown.unread > 99 ? '99+' : shown.unread}) ` : '';
  document.title = `${count}${shown.title ? `${shown.title} – Boxroom` : 'Boxroom'}`;
}

/** Sets the title of the page. */
export function useTitle(title: string | undefined): void {
  useEffect(() => {
    shown.title = title ?? '';
    showTitle();
  }, [title]);
}

/** Shows the number of unread messages in the title of the page. */
export function useTitleCount(unread: number): void {
  useEffect(() => {
    shown.unread = unread;
    showTitle();
    return () => {
      shown.unread = 0;
      showTitle();
    };
  }, [unread]);
}
