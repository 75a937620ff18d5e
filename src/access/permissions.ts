import {
  everyRepository,
  literalPrefix,
  matchesRepository,
  type RepositoryPattern,
} from "../oci/repository-patterns.ts";
import { type Action, actionsOf, type Role, roleFor } from "./roles.ts";

/** A role on all repositories that match. */
export interface Grant {
  readonly role: Role;
  readonly repositories: RepositoryPattern;
}

/** What a credential is good for at most, whatever its owner may do. */
export interface Limit {
  readonly actions: readonly Action[];
  readonly repositories: RepositoryPattern;
}

/** What somebody may do at one time. Nothing is allowed that is not granted. */
export interface Permissions {
  /** Their own, their groups' and the public's. */
  readonly grants: readonly Grant[];
  /** Those of the credential that they came with; none if absent. */
  readonly limits?: readonly Limit[];
}

/** Whether something may be done, and why: for the person who asks and for the record. */
export interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
}

/** Decides whether an action is allowed on a repository, which need not exist: its name alone decides. */
export function decide(permissions: Permissions, action: Action, repository: string): Decision {
  const { grants, limits } = permissions;
  const grant = grants.find(
    ({ role, repositories }) =>
      actionsOf(role).includes(action) && matchesRepository(repositories, repository),
  );
  if (!grant)
    return { allowed: false, reason: `${action} on ${repository} needs the role ${roleFor(action)} there` };
  if (limits && !limits.some((limit) => allowsWithin(limit, action, repository))) {
    return { allowed: false, reason: `the token that was used is not for ${action} on ${repository}` };
  }
  return { allowed: true, reason: `${grant.role} on ${grant.repositories}` };
}

function allowsWithin(limit: Limit, action: Action, repository: string): boolean {
  return limit.actions.includes(action) && matchesRepository(limit.repositories, repository);
}

/** Whether accounts and everything else that belongs to no repository may be changed. */
export function mayAdministerRegistry({ grants, limits }: Permissions): boolean {
  return (
    grants.some((grant) => grant.role === "administrator" && grant.repositories === everyRepository) &&
    (limits === undefined ||
      limits.some((limit) => limit.repositories === everyRepository && limit.actions.includes("administer")))
  );
}

/**
 * Beginnings of names, in the order of their bytes, none of them a beginning of another: every repository on which
 * something is granted begins with one of them. With them a list need not read all that it may not show.
 */
export function readablePrefixes({ grants }: Permissions): readonly string[] {
  const found = [...new Set(grants.map(({ repositories }) => trimSlash(literalPrefix(repositories))))].sort();
  return found.filter((prefix, at) => !found.slice(0, at).some((shorter) => prefix.startsWith(shorter)));
}

function trimSlash(prefix: string): string {
  return prefix.endsWith("/") ? prefix.slice(0, -1) : prefix; // gallery/** is also for gallery
}
