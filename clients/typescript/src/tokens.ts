/** Sources of access tokens. */

/** A source of access tokens. */
export interface TokenSource {
  /**
   * Returns a valid access token. With `old`, another one: `old` was refused, or is about to expire. A source that has
   * no other token returns `old` again.
   */
  token(old?: string): Promise<string>;
  /** Returns another token than one that is not refused yet, or the same if another may not be requested now. */
  renew?(old: string): Promise<string>;
}

/** A token, a function that returns one, or a source. */
export type Tokens = string | ((old?: string) => string | Promise<string>) | TokenSource;

/** Converts the forms of tokens into a source. */
export function tokenSource(tokens: Tokens): TokenSource {
  if (typeof tokens === 'string') return { token: async () => tokens };
  if (typeof tokens === 'function') return { token: async (old) => tokens(old) };
  return tokens;
}
