/** The text of a message, with links, mentions and the matches of a search. Never HTML. */

import type { ChatMessage } from '@boxroom/react';
import { useNames } from '@boxroom/react';
import { Fragment, useMemo, useState, type ReactNode } from 'react';
import { partsOf } from '../../lib/links.js';
import { useWords } from '../../texts/index.js';
import { Dialog } from '../../ui/parts.js';

/** The text of a message. `highlights` are ranges of the text. */
export function Body({ message, highlights }: { message: ChatMessage; highlights?: readonly number[][] | undefined }) {
  const nameOf = useNames();
  const [warned, setWarned] = useState<{ href: string; host: string }>();
  const { body, mentions, mentions_all } = message;
  const parts = useMemo(() => partsOf(body ?? '', mentions, mentions_all), [body, mentions, mentions_all]);
  let at = 0;
  return (
    <>
      {parts.map((part, index) => {
        const begin = at;
        at += part.text.length;
        const text = marked(part.text, begin, highlights);
        if (part.kind === 'mention') {
          const name = part.user === 'all' ? part.text : `@${nameOf(part.user) ?? part.user}`;
          return (
            <span key={index} className="mention">
              {highlights ? text : name}
            </span>
          );
        }
        if (part.kind === 'link' && part.isDoubtful) {
          // No link: it could be opened without the question, for example with the middle button.
          return (
            <button key={index} type="button" className="doubtful-link" onClick={() => setWarned(part)}>
              {text}
            </button>
          );
        }
        if (part.kind === 'link') {
          return (
            <a key={index} href={part.href} target="_blank" rel="noopener noreferrer">
              {text}
            </a>
          );
        }
        return <Fragment key={index}>{text}</Fragment>;
      })}
      {warned && <LinkWarning {...warned} onClose={() => setWarned(undefined)} />}
    </>
  );
}

function LinkWarning({ href, host, onClose }: { href: string; host: string; onClose: () => void }) {
  const { t } = useWords();
  return (
    <Dialog title={t('link_title')} onClose={onClose} className="narrow">
      <p>{t('link_doubtful')}</p>
      <p className="host">{host}</p>
      <div className="row end">
        <button type="button" className="button" onClick={onClose}>
          {t('cancel')}
        </button>
        <a className="button danger" href={href} target="_blank" rel="noopener noreferrer" onClick={onClose}>
          {t('link_open')}
        </a>
      </div>
    </Dialog>
  );
}

/** Marks the parts of a text that are within ranges. */
function marked(text: string, begin: number, ranges: readonly number[][] | undefined): ReactNode {
  if (!ranges) return text;
  const nodes: ReactNode[] = [];
  let end = 0;
  for (const [from = 0, to = 0] of ranges) {
    const first = Math.max(from - begin, end);
    const last = Math.min(to - begin, text.length);
    if (last <= first) continue;
    if (first > end) nodes.push(text.slice(end, first));
    nodes.push(<mark key={first}>{text.slice(first, last)}</mark>);
    end = last;
  }
  if (end < text.length) nodes.push(text.slice(end));
  return nodes;
}
