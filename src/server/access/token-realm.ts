/** The path of the token service. */
export const tokenPath = "/token";

/** The name of this registry in tokens and challenges; the same however it is reached. */
export function serviceName(publicUrl: string | undefined): string {
  return publicUrl === undefined ? "berth" : new URL(publicUrl).host;
}

/**
 * `WWW-Authenticate`. https://distribution.github.io/distribution/spec/auth/token/
 * @param baseUrl where the sender of the request finds this server
 */
export function challengeHeader(
  request: Request,
  { baseUrl, service }: { readonly baseUrl: string; readonly service: string },
  scope: string | undefined,
): string {
  const sent = request.headers.get("authorization")?.toLowerCase().startsWith("bearer ");
  const error = sent ? `,error="${scope === undefined ? "invalid_token" : "insufficient_scope"}"` : "";
  const wanted = scope === undefined ? "" : `,scope="${scope}"`;
  return `Bearer realm="${baseUrl}${tokenPath}",service="${service}"${wanted}${error}`;
}
