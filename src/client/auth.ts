import { quote } from "../oci/errors.ts";
import { covers, formatScope, mergeScopes, parseScopes, type Scope } from "../oci/scopes.ts";
import type { Challenge } from "./challenges.ts";
import { basicAuthorization, type CredentialSource, type Credentials } from "./credentials.ts";
import type { Authorizer, Exchanger } from "./exchanges.ts";
import { requestToken, type Token, type TokenService, tokenServiceOf } from "./tokens.ts";

/** Options of {@link createAuthorizer}. */
export interface AuthorizerOptions {
  /** The registry as the client was given it. */
  readonly registry: string;
  /** Where it is. */
  readonly url: URL;
  readonly credentials?: CredentialSource;
  /** Sends what token services are asked. */
  readonly exchanger: Exchanger;
  /** Asks for refresh tokens, and is told them. */
  readonly onRefreshToken?: ((token: string) => void) | undefined;
  /** The clock in milliseconds. */
  readonly now?: () => number;
}

/** The authorizer of one registry. */
export interface RegistryAuthorizer extends Authorizer {
  /** Takes the secrets that are in use out of a text. */
  redact(text: string): string;
  /** Whether no credentials were found so far. */
  isAnonymous(): boolean;
  /** Whether the registry has asked who is there. */
  isAsked(): boolean;
  /** What to do when the registry still asks who is there. */
  loginAdvice(): string;
}

interface GrantedToken extends Token {
  readonly scopes: readonly Scope[];
}

/**
 * Learns from a registry's challenges how it wants to be asked and then does so: by user name and password, or by
 * tokens, which are kept until they expire, used for whatever they allow, and asked for once when many need them.
 */
export function createAuthorizer(options: AuthorizerOptions): RegistryAuthorizer {
  const { registry, url, exchanger, onRefreshToken, now = Date.now } = options;
  const tokens = new Map<string, GrantedToken>();
  const requests = new Map<string, Promise<GrantedToken>>();
  /** What a registry asked for beyond what a request seemed to need. */
  const demanded = new Map<string, readonly Scope[]>();
  let way: { scheme: "basic" } | { scheme: "bearer"; service: TokenService } | undefined;
  let credentials: Promise<Credentials | undefined> | undefined;
  let account: string | undefined;
  /** Those of the last credentials, for redact. */
  let secrets: readonly string[] = [];

  const redact = (text: string): string =>
    [...secrets, ...Array.from(tokens.values(), ({ token }) => token)]
      .filter((secret) => secret.length > 3) // less would black out innocent words
      .reduce((safe, secret) => safe.replaceAll(secret, "***"), text);

  const wantsRefreshToken = onRefreshToken !== undefined;
  const tokenOptions = { exchanger, registry, redact, now, wantsRefreshToken };

  const findCredentials = (): Promise<Credentials | undefined> => {
    credentials ??= (async () => {
      const found = await options.credentials?.(registry);
      account =
        found && "username" in found ? quote(found.username ?? "") : found && "the token that it was given";
      secrets = found ? secretsOf(found) : [];
      return found;
    })();
    credentials.catch(() => (credentials = undefined));
    return credentials;
  };

  const forgetCredentials = (): void => {
    credentials = undefined;
  };

  const basicHeader = async (): Promise<string | undefined> => {
    const found = await findCredentials();
    if (!found || !("password" in found)) return undefined;
    return basicAuthorization(found.username, found.password);
  };

  const grant = async (service: TokenService, scopes: readonly Scope[]): Promise<GrantedToken> => {
    const found = await findCredentials();
    if (found && "registryToken" in found) {
      return { token: found.registryToken, scopes, expiresAt: Number.POSITIVE_INFINITY };
    }
    const token = await requestToken(service, scopes, found, tokenOptions).catch((error) => {
      forgetCredentials();
      throw error;
    });
    const { refreshToken } = token;
    if (refreshToken === undefined) return { ...token, scopes };
    if (found && "refreshToken" in found) {
      credentials = Promise.resolve({ ...found, refreshToken }); // the one before may be used up
    }
    secrets = [...secrets, refreshToken];
    onRefreshToken?.(refreshToken);
    return { ...token, scopes };
  };

  const findToken = async (service: TokenService, wanted: readonly Scope[]): Promise<string> => {
    const scopes = mergeScopes([...wanted, ...(demanded.get(keyOf(wanted)) ?? [])]);
    for (const [key, known] of tokens) {
      if (known.expiresAt <= now()) tokens.delete(key);
      else if (covers(known.scopes, scopes)) return known.token;
    }
    const key = keyOf(scopes);
    let request = requests.get(key);
    if (!request) {
      request = grant(service, scopes).finally(() => requests.delete(key));
      requests.set(key, request);
    }
    const granted = await request;
    tokens.set(key, granted);
    return granted.token;
  };

  return {
    origin: url.origin,
    redact,
    isAnonymous: () => account === undefined,
    isAsked: () => way !== undefined,
    loginAdvice() {
      // A token service that knows who asks has given a token, which does not allow this.
      if (way?.scheme === "bearer") {
        return account
          ? `${account} may not do this, or there is no such repository: check its name, or log in as somebody who may`
          : `this is not allowed without a login: log in to ${registry}`;
      }
      return account
        ? `${registry} refused the credentials that it was given: log in again`
        : `${registry} wants to know who asks: log in`;
    },

    async headerFor(scopes, signal) {
      if (!way) return undefined;
      if (way.scheme === "basic") return basicHeader();
      return `Bearer ${await unlessAborted(findToken(way.service, scopes), signal)}`;
    },

    async learn(challenges, scopes, sent) {
      const bearer = challenges.find(
        ({ scheme, parameters }) => scheme === "bearer" && parameters.has("realm"),
      );
      if (bearer) {
        way = { scheme: "bearer", service: tokenServiceOf(bearer.parameters, url) };
        return learnBearer(bearer, scopes, sent);
      }
      if (!challenges.some(({ scheme }) => scheme === "basic")) return false;
      way = { scheme: "basic" };
      if (sent?.startsWith("Basic ")) {
        forgetCredentials(); // refused: whoever asks next may have better ones
        return false;
      }
      return (await basicHeader()) !== undefined;
    },
  };

  function learnBearer(
    { parameters }: Challenge,
    scopes: readonly Scope[],
    sent: string | undefined,
  ): boolean {
    for (const [key, { token }] of tokens) if (sent === `Bearer ${token}`) tokens.delete(key);
    const key = keyOf(scopes);
    const known = demanded.get(key) ?? [];
    const asked = mergeScopes([...known, ...parseScopes(parameters.get("scope") ?? "")]);
    if (!covers(scopes, asked)) demanded.set(key, asked);
    return true;
  }
}

function secretsOf(credentials: Credentials): readonly string[] {
  if ("registryToken" in credentials) return [credentials.registryToken];
  if ("refreshToken" in credentials) return [credentials.refreshToken];
  const { username, password } = credentials;
  return [password, basicAuthorization(username, password).slice("Basic ".length)];
}

function keyOf(scopes: readonly Scope[]): string {
  return mergeScopes(scopes).map(formatScope).join(" ");
}

/** What many wait for does not end when one of them stops to wait. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  signal.throwIfAborted();
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
