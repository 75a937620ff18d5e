/** What a person has to log in with. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  /** An OAuth 2 refresh token, which docker calls identity token. */
  | { readonly refreshToken: string; readonly username?: string }
  /** A token for the registry itself, of which this client gets no new one. */
  | { readonly registryToken: string };

/**
 * Finds the credentials for a registry, by its name as the client was given it; `undefined` for none. Asked when the
 * registry wants some, and again when it refused those.
 */
export type CredentialSource = (
  registry: string,
) => Credentials | undefined | Promise<Credentials | undefined>;

/** `Authorization` by user name and password. https://www.rfc-editor.org/rfc/rfc7617 */
export function basicAuthorization(username: string, password: string): string {
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))}`;
}
