import { RegistryError } from "../oci/errors.ts";
import type { Scope } from "../oci/scopes.ts";
import type { AccessMetadata } from "../store/metadata/access.ts";
import type { Eventually } from "../store/metadata/eventually.ts";
import { callerOf, credentialName, grantsOf } from "./accounts.ts";
import { parseBasic } from "./basic-credentials.ts";
import { dropOldest } from "./bounded.ts";
import type { Caller } from "./identities.ts";
import type { Login, Logins } from "./logins.ts";
import { isSecret } from "./secrets.ts";
import type { TokenSigner, VerifiedClaims } from "./signing.ts";

/** Tells who asks. */
export interface Authenticator {
  /**
   * Who sent this `Authorization` header; nobody in particular if null. The same header gives the same object until
   * rights change or the credential expires, so that what is known of a caller can be kept beside it.
   * @param address where the request came from, asked only when a password has to be checked
   * @throws RegistryError UNAUTHORIZED; TOOMANYREQUESTS
   */
  authenticate(authorization: string | null, address: () => string): Eventually<Caller>;
  /** Sees to it that the next request knows of every change until now. */
  recheck(): void;
  /** Writes down which credentials were used, when. */
  flush(): Promise<void>;
}

export interface AuthenticatorOptions {
  readonly access: AccessMetadata;
  readonly logins: Logins;
  readonly signer: TokenSigner;
  /**
   * Told of who comes with a password or token itself instead of asking for a bearer token with it; of the same from
   * the same address once an hour.
   */
  readonly loggedIn?: (login: Login, address: string) => void;
  readonly now?: () => number;
}

/** A change of rights that another process made is seen after so long at most. */
const recheckMs = 200;
/** A caller is looked up again after so long, though nothing changed. */
const rememberMs = 10 * 60_000;
/** Who comes with the same from the same address within this time has logged in once. */
const sameLoginMs = 60 * 60_000;
const mostRemembered = 10_000;
/** What is remembered takes so many characters each; tokens of a hundred repositories fit. */
const longestRemembered = 12 * 1024;

interface Known {
  readonly caller: Caller;
  readonly expiresAt: number;
  readonly credentialId?: string;
}

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { access, loggedIn = () => {}, now = Date.now } = options;
  const known = new Map<string, Known>();
  const loading = new Map<string, Promise<Caller>>();
  const uses = new Map<string, number>();
  const told = new Map<string, number>();
  let version: number | undefined;
  let checkedAt = Number.NEGATIVE_INFINITY;

  const take = (current: number): void => {
    checkedAt = now();
    if (current === version) return;
    version = current;
    known.clear();
    loading.clear();
  };

  const tell = (login: Login, address: string): void => {
    const key = `${login.account.id} ${credentialName(login.credential)} ${address}`;
    const at = now();
    if (at - (told.get(key) ?? Number.NEGATIVE_INFINITY) < sameLoginMs) return;
    told.delete(key); // to its end: the oldest are dropped
    told.set(key, at);
    dropOldest(told, mostRemembered);
    loggedIn(login, address);
  };

  const load = (header: string, address: () => string): Promise<Caller> => {
    const running = loading.get(header);
    if (running) return running;
    const atVersion = version;
    const started = identify({ ...options, loggedIn: tell }, header, address, now).then((found) => {
      if (version === atVersion && header.length <= longestRemembered) {
        known.set(header, { ...found, expiresAt: Math.min(found.expiresAt, now() + rememberMs) });
        dropOldest(known, mostRemembered);
      }
      if (found.credentialId !== undefined) uses.set(found.credentialId, now());
      return found.caller;
    });
    loading.set(header, started);
    const done = () => void (loading.get(header) === started && loading.delete(header));
    started.then(done, done);
    return started;
  };

  const find = (header: string, address: () => string): Eventually<Caller> => {
    const found = known.get(header);
    if (!found || found.expiresAt <= now()) return load(header, address);
    if (found.credentialId !== undefined) uses.set(found.credentialId, now());
    return found.caller;
  };

  return {
    authenticate(authorization, address) {
      const header = authorization ?? "";
      if (now() - checkedAt <= recheckMs) return find(header, address);
      const current = access.version();
      if (typeof current !== "number") return current.then(take).then(() => find(header, address));
      take(current);
      return find(header, address);
    },
    recheck: () => {
      checkedAt = Number.NEGATIVE_INFINITY;
    },
    async flush() {
      if (uses.size === 0) return;
      const noted = new Map(uses);
      uses.clear();
      await access.touchCredentials(noted);
    },
  };
}

async function identify(
  options: AuthenticatorOptions & Required<Pick<AuthenticatorOptions, "loggedIn">>,
  header: string,
  address: () => string,
  now: () => number,
): Promise<Known> {
  const { access, logins, loggedIn } = options;
  if (header === "") return { caller: await anonymous(access), expiresAt: Number.POSITIVE_INFINITY };
  const [, scheme = "", value = ""] = /^(\w+) +(\S+)$/.exec(header) ?? [];
  if (scheme.toLowerCase() === "bearer" && !isSecret(value)) return bySignedToken(options, value, now);
  // A browser's session, which the server reads from its cookie.
  const isSession = scheme === "Session";
  const login =
    isSession || scheme.toLowerCase() === "bearer"
      ? await logins.bySecret(value, isSession ? "refresh" : "token")
      : await loginByBasic(logins, header, address());
  if (!isSession) loggedIn(login, address()); // a session's was told when it began
  return {
    caller: await callerOf(access, login.account, login.credential),
    expiresAt: login.credential?.expiresAt ?? Number.POSITIVE_INFINITY,
    ...(login.credential ? { credentialId: login.credential.id } : {}),
  };
}

/** Somebody who did not say who they are. */
export async function anonymous(access: AccessMetadata, scopes?: readonly Scope[]): Promise<Caller> {
  return {
    identity: { kind: "anonymous" },
    permissions: { grants: await grantsOf(access) },
    credential: "none",
    ...(scopes ? { scopes } : {}),
  };
}

async function bySignedToken(
  { access, signer }: AuthenticatorOptions,
  token: string,
  now: () => number,
): Promise<Known> {
  const claims = await signer.verify(token);
  const { expiresAt } = claims;
  const scopes = scopesOf(claims);
  if (claims.uid === undefined) return { caller: await anonymous(access, scopes), expiresAt };
  const account = await access.getAccount(claims.uid);
  const credential = claims.cid === undefined ? undefined : await access.getCredential(claims.cid, now());
  const isGone = !account || account.disabled || account.epoch !== claims.epoch;
  if (isGone || (claims.cid !== undefined && credential?.accountId !== account.id)) {
    throw new RegistryError(
      "UNAUTHORIZED",
      "the bearer token is not valid: what it was made from was revoked",
    );
  }
  return {
    caller: { ...(await callerOf(access, account, credential)), scopes },
    expiresAt,
    ...(credential ? { credentialId: credential.id } : {}),
  };
}

function scopesOf({ access }: VerifiedClaims): readonly Scope[] {
  return access.map(({ type, name, actions }) => ({ resource: `${type}:${name}`, actions }));
}

function loginByBasic(logins: Logins, header: string, address: string): Promise<Login> {
  const pair = parseBasic(header);
  if (pair) return logins.byPassword(...pair, address);
  throw new RegistryError(
    "UNAUTHORIZED",
    "the Authorization header is neither Basic nor Bearer as they are written",
  );
}
