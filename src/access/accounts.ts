import { isRepositoryPattern } from "../oci/repository-patterns.ts";
import type { AccessMetadata, AccountRow, CredentialRow } from "../store/metadata/access.ts";
import type { Caller } from "./identities.ts";
import type { Grant, Limit } from "./permissions.ts";
import { type Action, actions, roles } from "./roles.ts";

/** Reads what an account, or with none the public, may do now. */
export async function grantsOf(access: AccessMetadata, account?: AccountRow): Promise<readonly Grant[]> {
  const rows = await access.grantsFor(account?.name, account?.groups ?? []);
  return rows.flatMap(({ role, repositories }) => {
    const known = roles.find((name) => name === role);
    return known && isRepositoryPattern(repositories) ? [{ role: known, repositories }] : []; // a newer Berth's role grants nothing
  });
}

/** An account as somebody who asks, with what it may do now. */
export async function callerOf(
  access: AccessMetadata,
  account: AccountRow,
  credential: CredentialRow | undefined,
): Promise<Caller> {
  const limits = credential?.limits === undefined ? undefined : parseLimits(credential.limits);
  return {
    identity: { kind: account.kind, name: account.name, groups: account.groups },
    permissions: { grants: await grantsOf(access, account), ...(limits ? { limits } : {}) },
    credential: credentialName(credential),
  };
}

/** Which credential, for the record: never its secret. */
export function credentialName(credential: CredentialRow | undefined): string {
  if (credential === undefined) return "password";
  return `${credential.kind === "refresh" ? "login" : "token"} ${credential.id}`;
}

/** Limits as they are stored. What is not understood allows nothing. */
export function parseLimits(text: string): readonly Limit[] {
  const parsed: unknown = JSON.parse(text);
  if (!Array.isArray(parsed)) return [];
  return parsed.flatMap((item: { repositories?: unknown; actions?: unknown }) => {
    const { repositories } = item;
    if (typeof repositories !== "string" || !isRepositoryPattern(repositories)) return [];
    const allowed = Array.isArray(item.actions) ? item.actions : [];
    return [
      { repositories, actions: allowed.filter((action): action is Action => actions.includes(action)) },
    ];
  });
}

export function formatLimits(limits: readonly Limit[]): string {
  return JSON.stringify(limits);
}

/** Every account: for what is done now and then, not for requests. */
export async function allAccounts(access: AccessMetadata): Promise<readonly AccountRow[]> {
  const found: AccountRow[] = [];
  let after: string | undefined;
  do {
    const page = await access.listAccounts({ limit: 1000, ...(after === undefined ? {} : { after }) });
    found.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return found;
}
