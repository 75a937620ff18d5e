import { RegistryError } from "../../oci/errors.ts";

/** The cookie by which a browser is logged in; what is in it ends as any other login. */
export const sessionCookieName = "berth_session";

export function readCookie(request: Request, name: string): string | undefined {
  for (const pair of (request.headers.get("cookie") ?? "").split(";")) {
    const equals = pair.indexOf("=");
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}

/**
 * The credentials of a request to the management API: its `Authorization`, else the browser's session. A session counts
 * for changes only when the request comes from this server's own page.
 * @param baseUrl where the sender of the request finds this server
 * @throws RegistryError DENIED when another site's page sends it
 */
export function credentialsOf(request: Request, baseUrl: () => string): string | null {
  const authorization = request.headers.get("authorization");
  if (authorization !== null) return authorization;
  const session = readCookie(request, sessionCookieName);
  if (session === undefined) return null;
  if (request.method !== "GET" && request.method !== "HEAD") requireOwnOrigin(request, baseUrl());
  return `Session ${session}`;
}

/** Browsers send `Origin` with every request that changes something. @throws RegistryError DENIED */
export function requireOwnOrigin(request: Request, baseUrl: string): void {
  const origin = request.headers.get("origin");
  const hosts = [request.headers.get("host"), new URL(baseUrl).host];
  if (origin !== null && URL.canParse(origin) && hosts.includes(new URL(origin).host)) return;
  throw new RegistryError("DENIED", "a browser's login changes nothing when another site asks for it");
}
