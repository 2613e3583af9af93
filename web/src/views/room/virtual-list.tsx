/** A long list of which only the visible rows are in the document. It keeps its place when rows are added above. */

import {
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useReducer,
  useRef,
  type ReactNode,
  type Ref,
} from 'react';
import { Layout } from './layout.js';

/** The distance beyond the visible part in which rows are in the document, in pixels. */
const OVERSCAN = 500;

/** The distance from an end at which more rows are asked for, in pixels. */
const NEAR = 1500;

/** The distance from the end that counts as the end, in pixels. */
const AT_END = 40;

/** The methods of a list. */
export interface ListHandle {
  /** Shows a row in the middle. Returns false if the list does not have it. */
  show: (key: string) => boolean;
  showEnd: () => void;
}

interface Anchor {
  key: string;
  /** The distance of the row from the upper edge. */
  top: number;
}

/** The list. `keys` must change if and only if rows come, go or move. */
export function VirtualList({
  ref,
  label,
  keys,
  row,
  start,
  onNearStart,
  onNearEnd,
  onVisible,
}: {
  ref: Ref<ListHandle>;
  label: string;
  keys: readonly string[];
  row: (index: number) => ReactNode;
  /** The row to begin with in place of the end. */
  start: string | undefined;
  onNearStart: () => void;
  onNearEnd: () => void;
  /** Called after scrolling with the last row that is visible, and with true at the end. */
  onVisible: (last: number, isAtEnd: boolean) => void;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLOListElement>(null);
  const layout = useRef(new Layout()).current;
  const anchor = useRef<Anchor | undefined>(start === undefined ? undefined : { key: start, top: 80 });
  const isStuck = useRef(start === undefined);
  const height = useRef(800);
  /** The last known position of the scroller. */
  const lastTop = useRef(0);
  const shown = useRef<[number, number]>([0, 0]);
  const shownKeys = useRef(keys);
  const [, render] = useReducer((count: number) => count + 1, 0);
  const callbacks = useRef({ onNearStart, onNearEnd, onVisible });
  callbacks.current = { onNearStart, onNearEnd, onVisible };

  const remember = useCallback(() => {
    const box = scroller.current;
    if (!box || !list.current) return;
    lastTop.current = box.scrollTop;
    isStuck.current = box.scrollHeight - box.scrollTop - box.clientHeight < AT_END;
    const edge = box.getBoundingClientRect().top;
    for (const element of list.current.children) {
      const { top, bottom } = element.getBoundingClientRect();
      if (bottom <= edge || top >= edge + box.clientHeight) continue;
      anchor.current = { key: (element as HTMLElement).dataset['key'] ?? '', top: top - edge };
      return;
    }
    // After a long way none of the rows here is in the document: the position decides.
    anchor.current = anchorAt(layout, shownKeys.current, box.scrollTop);
  }, [layout]);

  // The user may have scrolled, and the event be on its way.
  if (scroller.current && Math.abs(scroller.current.scrollTop - lastTop.current) > 1) remember();
  layout.setKeys(keys);
  shownKeys.current = keys;
  const place = () => {
    const index = anchor.current && layout.indexOf(anchor.current.key);
    if (isStuck.current || index === undefined) return layout.total - height.current;
    return layout.offset(index) - (anchor.current?.top ?? 0);
  };
  const rangeAt = useCallback(
    (top: number) => layout.range(Math.max(top - OVERSCAN, 0), Math.max(top, 0) + height.current + OVERSCAN),
    [layout],
  );
  const [from, to] = keys.length === 0 ? [0, 0] : rangeAt(place());
  shown.current = [from, to];

  /** Moves the list so that the anchor, or the end, is where it was. */
  const settle = useCallback(() => {
    const box = scroller.current;
    if (!box || !list.current) return;
    if (isStuck.current) {
      const end = box.scrollHeight - box.clientHeight;
      if (Math.abs(box.scrollTop - end) > 1) box.scrollTop = end;
      lastTop.current = box.scrollTop;
      return;
    }
    if (!anchor.current) return;
    const element = elementOf(list.current, anchor.current.key);
    if (!element) return;
    const top = element.getBoundingClientRect().top - box.getBoundingClientRect().top;
    const moved = top - anchor.current.top;
    if (Math.abs(moved) > 0.5) box.scrollTop += moved;
    lastTop.current = box.scrollTop;
  }, []);

  /** Measures the rows. Returns true if a height has changed. */
  const measure = useCallback(() => {
    let isChanged = false;
    for (const element of list.current?.children ?? []) {
      const key = (element as HTMLElement).dataset['key'];
      if (key) isChanged = layout.measure(key, element.getBoundingClientRect().height) || isChanged;
    }
    return isChanged;
  }, [layout]);

  const report = useCallback(() => {
    const box = scroller.current;
    if (!box || box.clientHeight === 0) return;
    const edge = box.getBoundingClientRect().bottom;
    let last = shown.current[0] - 1;
    for (const element of list.current?.children ?? []) if (element.getBoundingClientRect().top < edge) last += 1;
    const below = box.scrollHeight - box.scrollTop - box.clientHeight;
    callbacks.current.onVisible(last, below < AT_END);
    if (box.scrollTop < NEAR) callbacks.current.onNearStart();
    if (below < NEAR) callbacks.current.onNearEnd();
  }, []);

  useLayoutEffect(() => {
    const isChanged = measure();
    settle();
    // Rows that were smaller than estimated leave a gap: more rows are needed.
    const [first, last] = keys.length === 0 ? [0, 0] : rangeAt(place());
    if (isChanged && (first < shown.current[0] || last > shown.current[1])) render();
  });

  useEffect(() => {
    report();
  }, [keys, report]);

  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    height.current = box.clientHeight;
    const observer = new ResizeObserver(() => {
      const isResized = height.current !== box.clientHeight;
      height.current = box.clientHeight;
      const isChanged = measure();
      if (isResized || isChanged) settle();
      if (isResized) render();
      // The end may be visible now, without any scrolling.
      report();
    });
    observer.observe(box);
    if (list.current) observer.observe(list.current);
    return () => observer.disconnect();
  }, [measure, settle, report]);

  const onScroll = () => {
    const box = scroller.current;
    if (!box) return;
    remember();
    const [first, last] = rangeAt(box.scrollTop);
    const [shownFirst, shownLast] = shown.current;
    // A row before its turn is rendered with the next ones.
    const isMissing =
      layout.range(Math.max(box.scrollTop - OVERSCAN / 2, 0), box.scrollTop)[0] < shownFirst ||
      layout.range(0, box.scrollTop + height.current + OVERSCAN / 2)[1] > shownLast;
    if (isMissing || shownFirst > last || shownLast < first) render();
    report();
  };

  useImperativeHandle(
    ref,
    () => ({
      show: (key) => {
        if (layout.indexOf(key) === undefined) return false;
        isStuck.current = false;
        anchor.current = { key, top: Math.max(height.current / 2 - 60, 0) };
        render();
        return true;
      },
      showEnd: () => {
        isStuck.current = true;
        anchor.current = undefined;
        render();
      },
    }),
    [layout],
  );

  const above = layout.offset(from);
  const below = layout.total - layout.offset(to);
  const rows = [];
  for (let index = from; index < to; index += 1) rows.push(row(index));
  return (
    <div className="scroller" ref={scroller} onScroll={onScroll} tabIndex={0} role="region" aria-label={label}>
      <ol ref={list} className="conversation" style={{ paddingTop: above, paddingBottom: below }}>
        {rows}
      </ol>
    </div>
  );
}

function elementOf(list: HTMLElement, key: string): Element | undefined {
  for (const element of list.children) if ((element as HTMLElement).dataset['key'] === key) return element;
  return undefined;
}

function anchorAt(layout: Layout, keys: readonly string[], top: number): Anchor | undefined {
  const [index] = layout.range(top, top);
  const key = keys[index];
  return key === undefined ? undefined : { key, top: layout.offset(index) - top };
}
