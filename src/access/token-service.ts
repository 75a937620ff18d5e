import { isRepositoryName } from "../oci/names.ts";
import { managementScope, mergeScopes, type Scope } from "../oci/scopes.ts";
import type { AccessMetadata } from "../store/metadata/access.ts";
import { callerOf } from "./accounts.ts";
import { anonymous } from "./authenticator.ts";
import type { Caller } from "./identities.ts";
import type { Login } from "./logins.ts";
import { decide } from "./permissions.ts";
import type { Action } from "./roles.ts";
import { makeCredentialId, makeSecret, secretHash } from "./secrets.ts";
import { type TokenSigner, tokenLifetimeS } from "./signing.ts";

/** A short-lived token, and what it is good for. */
export interface IssuedToken {
  readonly token: string;
  /** Seconds. */
  readonly expiresIn: number;
  readonly issuedAt: Date;
  readonly scopes: readonly Scope[];
  /** What a client logs in with again, so that it need not keep the password. */
  readonly refreshToken?: string;
}

/** What is asked of the token service. */
export interface TokenRequest {
  /** Who proved to be whom; nobody if absent. */
  readonly login: Login | undefined;
  readonly scopes: readonly Scope[];
  /** Wants something to log in again with. */
  readonly offline: boolean;
  /** The program that asks, for the list of logins. */
  readonly client: string;
  /** How long one may log in again with what is given for that; 90 days if absent. */
  readonly refreshMs?: number;
}

/** For those who have a password; those of a provider log in there again sooner. */
const refreshLifetimeMs = 90 * 86_400_000;
const mostScopes = 100;

/**
 * Makes short-lived tokens. "The token server first attempts to authenticate the client [...] it then compares the
 * requested actions with what they are authorized to do": a token gets what it may, not an error.
 * https://distribution.github.io/distribution/spec/auth/token/
 */
export function createTokenService(access: AccessMetadata, signer: TokenSigner) {
  return async ({
    login,
    scopes,
    offline,
    client,
    refreshMs = refreshLifetimeMs,
  }: TokenRequest): Promise<IssuedToken> => {
    const caller = login ? await callerOf(access, login.account, login.credential) : await anonymous(access);
    const granted = grantScopes(caller, scopes);
    const issuedAt = new Date();
    const token = await signer.sign({
      sub: login?.account.name ?? "",
      ...(login ? { uid: login.account.id, epoch: login.account.epoch } : {}),
      ...(login?.credential ? { cid: login.credential.id } : {}),
      access: granted.map(toClaim),
    });
    // Whoever has a token of their own can keep that; a password is better not kept.
    const wantsRefresh = offline && login !== undefined && login.credential === undefined;
    return {
      token,
      expiresIn: tokenLifetimeS,
      issuedAt,
      scopes: granted,
      ...(wantsRefresh ? { refreshToken: await makeRefreshToken(access, login, client, refreshMs) } : {}),
    };
  };
}

export type TokenService = ReturnType<typeof createTokenService>;

/** Makes what a client logs in again with, and a browser has as its session. */
export async function makeRefreshToken(
  access: AccessMetadata,
  { account }: Login,
  client: string,
  lifetimeMs: number,
): Promise<string> {
  const secret = makeSecret("refresh");
  await access.createCredential({
    id: makeCredentialId(),
    accountId: account.id,
    kind: "refresh",
    name: client.replace(/[^\w ./+-]/g, "?").slice(0, 64),
    hash: secretHash(secret),
    expiresAt: Date.now() + lifetimeMs,
  });
  return secret;
}

/** The part of the scopes that the caller may have now. */
export function grantScopes(caller: Caller, scopes: readonly Scope[]): readonly Scope[] {
  return mergeScopes(scopes.slice(0, mostScopes)).flatMap(({ resource, actions }) => {
    const colon = resource.indexOf(":");
    const [type, name] = [resource.slice(0, colon), resource.slice(colon + 1)];
    if (type === "registry") return grantRegistryScope(caller, resource);
    if (type !== "repository" || !isRepositoryName(name)) return [];
    const wanted: readonly Action[] = ["pull", "push", "delete"];
    const granted = wanted.filter(
      (action) =>
        (actions.includes(action) || actions.includes("*")) &&
        decide(caller.permissions, action, name).allowed,
    );
    return granted.length > 0 ? [{ resource, actions: granted }] : [];
  });
}

/** Everybody may list what they may see. */
function grantRegistryScope({ identity }: Caller, resource: string): readonly Scope[] {
  const isCatalog = resource === "registry:catalog";
  const isManagement = resource === managementScope.resource && identity.kind !== "anonymous";
  return isCatalog || isManagement ? [{ resource, actions: ["*"] }] : [];
}

function toClaim({ resource, actions }: Scope) {
  const colon = resource.indexOf(":");
  return { type: resource.slice(0, colon), name: resource.slice(colon + 1), actions };
}
