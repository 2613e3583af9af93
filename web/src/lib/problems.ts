/** Problems of requests as people read them. */

import { NetworkError, Problem, SignedOut } from '@boxroom/client';
import type { Words } from '../texts/index.js';

/** Describes an error of a request. */
export function problemText(error: unknown, words: Words): string {
  if (error instanceof NetworkError) return words.t('problem_network');
  if (error instanceof SignedOut) return words.t('session_ended');
  if (!(error instanceof Problem)) return words.t('problem_other', { code: 'page' });
  const seconds = Math.ceil(error.retryAfterMs / 1000);
  return codeText(error.code, words, seconds) + (error.errors[0] ? ` (${error.errors[0].detail})` : '');
}

/** Describes the code of a problem. */
export function codeText(code: string, words: Words, seconds = 0): string {
  const key = `problem_${code.replaceAll('-', '_')}`;
  const text = words.has(key) ? words.t(key, { seconds }) : words.t('problem_other', { code });
  return seconds > 0 && !text.includes(String(seconds)) ? `${text} ${words.n('try_again_in', seconds)}` : text;
}
