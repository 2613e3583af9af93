/** Reads that are repeated while the page is visible, and requests with their problems. */

import { NetworkError, Problem, SignedOut } from '@boxroom/client';
import { useCallback, useEffect, useRef, useState } from 'react';
import { useAction } from '../lib/hooks.js';
import { problemText } from '../lib/problems.js';
import { NoToken } from '../lib/claims.js';
import { useWords } from '../texts/index.js';
import { useTexts } from './context.js';
import { refusalOf } from './gateway.js';

/** The interval in which lists are read again, in milliseconds. */
export const LIST_MS = 5000;

/** Returns a function that describes problems to operators: with the detail of the service. */
export function useProblemText(): (error: unknown) => string {
  const words = useWords();
  const { t, has } = useTexts();
  return (error) => {
    if (error instanceof NoToken) return t('no_token');
    if (!(error instanceof Problem)) {
      const isKnown = error instanceof NetworkError || error instanceof SignedOut;
      return isKnown ? problemText(error, words) : String(error);
    }
    const key = `problem_${error.code.replaceAll('-', '_')}`;
    const refusal = refusalOf(error);
    if (refusal !== undefined && has(key)) return t(key, { reason: refusal });
    if (has(key)) return t(key);
    const fields = error.errors.map(({ pointer, detail }) => `${pointer.slice(1)} ${detail}`);
    if (fields.length > 0) return t('problem', { title: error.title, detail: fields.join(', ') });
    return words.has(key) ? problemText(error, words) : t('problem', { title: error.title, detail: error.detail });
  };
}

/** Runs one request at a time. Its problem is `error`, or a toast with `isToasted`. */
export function useTask(isToasted = false) {
  return useAction(isToasted, useProblemText());
}

/** A result, and the error of the last attempt. */
export interface Read<T> {
  data: T | undefined;
  error: unknown;
  reload: () => void;
}

/** Reads while the page is visible: once for each key, and then at an interval unless that is 0. */
export function useRead<T>(key: string, read: () => Promise<T>, everyMs = 0): Read<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: unknown }>({ key });
  const latest = useRef(read);
  latest.current = read;
  const again = useRef(() => {});
  useEffect(() => {
    let isOver = false;
    let isRunning = false;
    let isAsked = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async () => {
      clearTimeout(timer);
      if (isRunning) {
        isAsked = true;
        return;
      }
      isRunning = true;
      try {
        const data = await latest.current();
        if (!isOver && !isAsked) setState({ key, data });
      } catch (error) {
        if (!isOver) setState((last) => (last.key === key ? { ...last, error } : { key, error }));
      }
      isRunning = false;
      if (isOver) return;
      if (isAsked) {
        isAsked = false;
        void run();
      } else if (everyMs > 0 && document.visibilityState === 'visible') timer = setTimeout(() => void run(), everyMs);
    };
    const onVisible = () => {
      if (document.visibilityState === 'visible' && everyMs > 0) void run();
      else clearTimeout(timer);
    };
    again.current = () => void run();
    document.addEventListener('visibilitychange', onVisible);
    void run();
    return () => {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, [key, everyMs]);
  const current = state.key === key ? state : { key };
  const reload = useCallback(() => again.current(), []);
  return { data: current.data, error: current.error, reload };
}

/** A page of a list. */
export interface Page<T> {
  items: T[];
  next?: string | null;
}

/** Reads a list page by page. While only the first page is shown, it is read again at an interval unless that is 0. */
export function usePages<T>(key: string, read: (cursor?: string) => Promise<Page<T>>, everyMs = LIST_MS) {
  const [more, setMore] = useState<{ key: string; pages: Page<T>[] }>({ key, pages: [] });
  const pages = more.key === key ? more.pages : [];
  const first = useRead(key, () => read(), pages.length === 0 ? everyMs : 0);
  const task = useTask();
  const next = (pages.at(-1) ?? first.data)?.next;
  const latest = useRef(key);
  latest.current = key;
  const loadMore = () =>
    task.run(async () => {
      if (!next) return;
      const page = await read(next);
      if (latest.current === key) setMore({ key, pages: [...pages, page] });
    });
  const reload = () => {
    setMore({ key, pages: [] });
    first.reload();
  };
  return {
    items: first.data ? [...first.data.items, ...pages.flatMap(({ items }) => items)] : undefined,
    error: first.error,
    next,
    more: { busy: task.busy, error: task.error, load: () => void loadMore() },
    reload,
  };
}
