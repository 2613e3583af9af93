/** The claims of access tokens. The services verify them; the page only chooses its views by them. */

/** A role that acts on what others do. */
export type StaffRole = 'operator' | 'moderator';

/** The claims that the page reads. */
export interface Claims {
  /** The id of the account. */
  sub: string;
  role: string;
}

/** The text is not an access token. */
export class NoToken extends Error {
  override readonly name = 'NoToken';
}

/** Returns true for the roles of operators and moderators. */
export function isStaffRole(role: string): role is StaffRole {
  return role === 'operator' || role === 'moderator';
}

/** Returns the claims of a token. */
export function claimsOf(token: string): Claims {
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (letter) => letter.codePointAt(0) ?? 0);
    const { sub, role } = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Claims>;
    if (typeof sub === 'string') return { sub, role: typeof role === 'string' ? role : 'user' };
  } catch {
    // Neither base64url nor JSON.
  }
  throw new NoToken('the text is not an access token');
}
