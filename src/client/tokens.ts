import { quote, RegistryError } from "../oci/errors.ts";
import { formatScope, type Scope } from "../oci/scopes.ts";
import { basicAuthorization, type Credentials } from "./credentials.ts";
import { type Exchange, ExchangeError, type Exchanger } from "./exchanges.ts";
import { failureOf, unreachable } from "./failures.ts";
import { isLoopback } from "./transport.ts";

/** Where tokens come from, as a registry's challenge says. */
export interface TokenService {
  readonly realm: URL;
  readonly service?: string;
}

/** A bearer token. */
export interface Token {
  readonly token: string;
  /** In milliseconds of the clock; a while before the service will refuse it. */
  readonly expiresAt: number;
  /** To ask for further tokens with, instead of what this one was asked with. */
  readonly refreshToken?: string;
}

/** Options of {@link requestToken}. */
export interface TokenOptions {
  readonly exchanger: Exchanger;
  /** The registry, for messages. */
  readonly registry: string;
  readonly redact: (text: string) => string;
  readonly now: () => number;
  /** Asks for a refresh token too. */
  readonly wantsRefreshToken: boolean;
}

/** Names this client to token services. */
const clientId = "berth";
/** "If omitted, this defaults to 60 seconds" */
const defaultLifetimeS = 60;
/** A token is not used in its last seconds, so that a request that is on its way does not come too late. */
const marginMs = 20_000;

/**
 * Where a bearer challenge sends its client.
 * @throws RegistryError UNAUTHORIZED when that is not an address to which credentials may be sent
 */
export function tokenServiceOf(parameters: ReadonlyMap<string, string>, registryUrl: URL): TokenService {
  const text = parameters.get("realm") ?? "";
  const service = parameters.get("service");
  const realm = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe =
    realm?.protocol === "https:" ||
    (realm?.protocol === "http:" && (registryUrl.protocol === "http:" || isLoopback(realm.hostname)));
  if (realm && isSafe) return { realm, ...(service === undefined ? {} : { service }) };
  throw new RegistryError(
    "UNAUTHORIZED",
    `the registry ${registryUrl.host} sends clients to ${quote(text)} for tokens: expected an https: address`,
  );
}

/**
 * Asks a token service for a token, anonymously if there are no credentials.
 * https://distribution.github.io/distribution/spec/auth/token/ and .../oauth/
 * @throws RegistryError UNAUTHORIZED when it refuses; UNAVAILABLE; TOOMANYREQUESTS
 */
export async function requestToken(
  service: TokenService,
  scopes: readonly Scope[],
  credentials: Credentials | undefined,
  options: TokenOptions,
): Promise<Token> {
  const { realm } = service;
  const user = credentials && "username" in credentials ? ` of ${quote(credentials.username ?? "")}` : "";
  const attempt = {
    action: `log in to ${options.registry}`,
    notFound: "UNAVAILABLE" as const,
    redact: options.redact,
    isAnonymous: () => credentials === undefined,
    loginAdvice: () =>
      credentials
        ? `the token service ${realm.host} refused the user name or password${user}: log in again`
        : `the token service ${realm.host} gives nothing without a login: log in`,
  };
  const askedAt = options.now();
  try {
    let answer =
      credentials && "refreshToken" in credentials
        ? await options.exchanger(refreshRequest(service, scopes, credentials.refreshToken))
        : undefined;
    // A service that knows nothing of OAuth 2 answers in some way that is not 200; the form of the GET is older.
    const get = (wanted: readonly Scope[]) =>
      options.exchanger(getRequest(service, wanted, credentials, options));
    if (!answer || [400, 401, 403, 404, 405].includes(answer.status)) answer = await get(scopes);
    // Quay takes a scope of anything but a repository for a mistake, and needs none for its list of repositories.
    const ofRepositories = scopes.filter(({ resource }) => resource.startsWith("repository:"));
    if (answer.status === 400 && ofRepositories.length < scopes.length) answer = await get(ofRepositories);
    if (answer.status !== 200) throw failureOf(answer, attempt);
    return tokenOf(answer.bytes, askedAt, realm.host);
  } catch (error) {
    throw error instanceof ExchangeError ? unreachable(error, attempt) : error;
  }
}

function getRequest(
  { realm, service }: TokenService,
  scopes: readonly Scope[],
  credentials: Credentials | undefined,
  { wantsRefreshToken }: TokenOptions,
): Exchange {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", formatScope(scope));
  const pair = pairOf(credentials);
  if (pair) url.searchParams.set("account", pair.username);
  if (pair && wantsRefreshToken) {
    // "offline_token: Whether to return a refresh token along with the bearer token."
    url.searchParams.set("offline_token", "true");
    url.searchParams.set("client_id", clientId);
  }
  return {
    method: "GET",
    url,
    scopes: [],
    ...(pair ? { headers: { authorization: basicAuthorization(pair.username, pair.password) } } : {}),
  };
}

function pairOf(credentials: Credentials | undefined): { username: string; password: string } | undefined {
  if (!credentials || "registryToken" in credentials) return undefined;
  if ("password" in credentials) return credentials;
  return { username: credentials.username ?? "<token>", password: credentials.refreshToken }; // as docker writes it
}

function refreshRequest(
  { realm, service }: TokenService,
  scopes: readonly Scope[],
  refreshToken: string,
): Exchange {
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    client_id: clientId,
    refresh_token: refreshToken,
  });
  if (service !== undefined) form.set("service", service);
  if (scopes.length > 0) form.set("scope", scopes.map(formatScope).join(" "));
  return {
    method: "POST",
    url: realm,
    scopes: [],
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new TextEncoder().encode(form.toString()),
  };
}

function tokenOf(bytes: Uint8Array, askedAt: number, host: string): Token {
  const value = parse(bytes);
  const token = value.token || value.access_token;
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw new RegistryError("UNAUTHORIZED", `the token service ${host} answered without a token`);
  }
  const seconds = Number(value.expires_in) > 0 ? Number(value.expires_in) : defaultLifetimeS;
  const lifetimeMs = seconds * 1000;
  const { refresh_token: refreshToken } = value;
  return {
    token,
    expiresAt: askedAt + lifetimeMs - Math.min(marginMs, lifetimeMs / 4),
    ...(typeof refreshToken === "string" && refreshToken ? { refreshToken } : {}),
  };
}

function parse(bytes: Uint8Array): Partial<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {}; // the caller tells that there is no token in it
  }
}
