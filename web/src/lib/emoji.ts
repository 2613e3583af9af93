/** Emoji in texts. */

/** The largest number of emoji that are shown large. */
const MAX_LARGE = 3;

/** The beginnings of emoji. Signs like `©` are one only with a variation selector. */
const BEGINNINGS = [
  /^\p{Regional_Indicator}{2}/u,
  /^\p{Emoji_Presentation}/u,
  /^\p{Emoji_Modifier_Base}\p{Emoji_Modifier}/u,
  /^\p{Emoji}\ufe0f\u20e3?/u,
];

/** Returns true for a text of at most three emoji. */
export function isFewEmoji(text: string): boolean {
  const compact = text.replace(/\s/gu, '');
  // The longest emoji, a family or a flag of a region, has some 30 units.
  if (compact === '' || compact.length > 40 * MAX_LARGE) return false;
  const segments = [...new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(compact)];
  return segments.length <= MAX_LARGE && segments.every(({ segment }) => BEGINNINGS.some((form) => form.test(segment)));
}
