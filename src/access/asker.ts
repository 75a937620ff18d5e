import { RegistryError } from "../oci/errors.ts";
import {
  isRepositoryPattern,
  matchesRepository,
  type RepositoryPattern,
} from "../oci/repository-patterns.ts";
import type { AuditEntry } from "../store/metadata/audit.ts";
import { actorOf, type Caller } from "./identities.ts";
import { mayAdministerRegistry, type Permissions } from "./permissions.ts";

/** Who asks for a change of accounts or rights, and from where. */
export interface Asker {
  readonly caller: Caller;
  readonly address: string;
}

/** Begins an entry of the record. */
export function entryFor(
  { caller, address }: Asker,
  action: string,
  subject: string,
  detail?: string,
): AuditEntry {
  return {
    at: Date.now(),
    actor: actorOf(caller.identity),
    credential: caller.credential,
    address,
    action,
    outcome: "done",
    subject,
    ...(detail === undefined ? {} : { detail }),
  };
}

/** Whether somebody may change every account. */
export function isAdministrator({ caller }: Asker): boolean {
  return mayAdministerRegistry(caller.permissions);
}

/** @throws RegistryError DENIED */
export function requireAdministrator(asker: Asker, what: string): void {
  if (isAdministrator(asker)) return;
  throw new RegistryError("DENIED", `only an administrator of this registry may ${what}`);
}

/** @throws RegistryError DENIED unless it is the account's own matter, with a credential that may do all that it may */
export function requireOwner(asker: Asker, account: string, what: string): void {
  if (isAdministrator(asker)) return;
  const { caller } = asker;
  if (caller.identity.kind !== "person" || caller.identity.name !== account) {
    throw new RegistryError("DENIED", `only ${account} and an administrator of this registry may ${what}`);
  }
  if (caller.permissions.limits) {
    throw new RegistryError("DENIED", `the token that was used is limited: use the password to ${what}`);
  }
}

/** @throws RegistryError DENIED unless every repository that matches is one that the caller administers */
export function requireAdministratorOf(asker: Asker, repositories: RepositoryPattern, what: string): void {
  if (isAdministrator(asker) || administers(asker.caller.permissions, repositories)) return;
  throw new RegistryError("DENIED", `only an administrator of ${repositories} may ${what}`);
}

/** Whether one of the caller's patterns holds all that this one does. Says no where it cannot tell. */
export function administers({ grants, limits }: Permissions, repositories: RepositoryPattern): boolean {
  if (limits) return false;
  return grants.some((grant) => grant.role === "administrator" && holds(grant.repositories, repositories));
}

function holds(outer: RepositoryPattern, inner: RepositoryPattern): boolean {
  if (outer === inner || outer === "**") return true;
  if (!inner.includes("*")) return matchesRepository(outer, inner);
  const below = outer.endsWith("/**") ? outer.slice(0, -3) : undefined;
  return (
    below !== undefined && !below.includes("*") && inner.startsWith(`${below}/`) && isRepositoryPattern(inner)
  );
}
