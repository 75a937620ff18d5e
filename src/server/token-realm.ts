/** The path of the token service. */
export const tokenPath = "/token";

const hostShape = /^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)(?::\d{1,5})?$/i;

/**
 * Where clients find this server: `public-url` if it is set, else as the request says that it was reached. A proxy in
 * front that ends TLS says so with `X-Forwarded-Proto`; who lies with it, misleads nobody but himself.
 */
export function baseUrlOf(request: Request, publicUrl: string | undefined): string {
  if (publicUrl !== undefined) return publicUrl.replace(/\/+$/, "");
  const own = new URL(request.url);
  const forwarded = request.headers.get("x-forwarded-proto")?.trim().toLowerCase();
  const scheme = forwarded === "https" || forwarded === "http" ? forwarded : own.protocol.slice(0, -1);
  const host = request.headers.get("host") ?? "";
  return `${scheme}://${hostShape.test(host) ? host : own.host}`;
}

/** The name of this registry in tokens and challenges; the same however it is reached. */
export function serviceName(publicUrl: string | undefined): string {
  return publicUrl === undefined ? "berth" : new URL(publicUrl).host;
}

/** `WWW-Authenticate`. https://distribution.github.io/distribution/spec/auth/token/ */
export function challengeHeader(
  request: Request,
  publicUrl: string | undefined,
  scope: string | undefined,
): string {
  const realm = `${baseUrlOf(request, publicUrl)}${tokenPath}`;
  const sent = request.headers.get("authorization")?.toLowerCase().startsWith("bearer ");
  const error = sent ? `,error="${scope === undefined ? "invalid_token" : "insufficient_scope"}"` : "";
  const wanted = scope === undefined ? "" : `,scope="${scope}"`;
  return `Bearer realm="${realm}",service="${serviceName(publicUrl)}"${wanted}${error}`;
}
