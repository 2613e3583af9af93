/** Parts of a message: text, links, mentions, and matches of a search. */

/** A part of a message. */
export type Part =
  | { kind: 'text'; text: string }
  | { kind: 'link'; text: string; href: string; host: string; isDoubtful: boolean }
  | { kind: 'mention'; text: string; user: string };

const LINK = /\bhttps?:\/\/[^\s<>"'`]+/giu;
const MENTION = /[@＠]([a-z0-9][a-z0-9_-]{0,39})/giu;

/** Splits a text into parts. Only the users in `mentions` are shown as mentioned; `all` stands for all members. */
export function partsOf(body: string, mentions: readonly string[], mentionsAll: boolean): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const match of body.matchAll(LINK)) {
    const text = withoutPunctuation(match[0]);
    const url = parse(text);
    if (!url) continue;
    pushText(parts, body.slice(end, match.index), mentions, mentionsAll);
    parts.push({ kind: 'link', text, href: url.href, host: url.host, isDoubtful: isDoubtful(url, text) });
    end = match.index + text.length;
  }
  pushText(parts, body.slice(end), mentions, mentionsAll);
  return parts;
}

function pushText(parts: Part[], text: string, mentions: readonly string[], mentionsAll: boolean): void {
  const users = new Set(mentions);
  if (mentionsAll) users.add('all');
  let end = 0;
  if (users.size > 0) {
    for (const match of text.matchAll(MENTION)) {
      const name = (match[1] ?? '').toLowerCase();
      const user = users.has(name) ? name : name.replace(/[-_]+$/, '');
      if (!users.has(user)) continue;
      if (match.index > end) parts.push({ kind: 'text', text: text.slice(end, match.index) });
      const length = 1 + user.length;
      parts.push({ kind: 'mention', text: text.slice(match.index, match.index + length), user });
      end = match.index + length;
    }
  }
  if (end < text.length) parts.push({ kind: 'text', text: text.slice(end) });
}

function withoutPunctuation(link: string): string {
  let text = link.replace(/[.,;:!?…。、，！？]+$/u, '');
  while (/[)\]}]$/.test(text) && count(text, text.at(-1) as string) > count(text, opening(text.at(-1) as string))) {
    text = text.slice(0, -1);
  }
  return text;
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}

function opening(closing: string): string {
  return closing === ')' ? '(' : closing === ']' ? '[' : '{';
}

function parse(text: string): URL | undefined {
  try {
    const url = new URL(text);
    return /^https?:$/.test(url.protocol) && url.hostname !== '' ? url : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Returns true if the address may look like another one: a host in punycode, of several scripts, or written in another
 * way than it is used, a user name, or characters that are invisible or change the direction of the text.
 */
export function isDoubtful(url: URL, text: string): boolean {
  if (url.username !== '' || url.password !== '') return true;
  if (url.hostname.split('.').some((label) => label.startsWith('xn--'))) return true;
  if (/\p{Default_Ignorable_Code_Point}|\p{Bidi_Control}/u.test(text)) return true;
  const written = /^https?:\/\/([^/?#]*)/iu.exec(text)?.[1] ?? '';
  return written.toLowerCase().replace(/:\d*$/, '') !== url.hostname;
}
