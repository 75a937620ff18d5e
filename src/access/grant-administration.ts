import { RegistryError } from "../oci/errors.ts";
import { everyRepository, isRepositoryPattern, type RepositoryPattern } from "../oci/repository-patterns.ts";
import type { GrantRow, GrantSubject } from "../store/metadata/access.ts";
import { type AdministrationOptions, keepAnAdministrator } from "./administration.ts";
import { type Asker, administers, entryFor, isAdministrator, requireAdministratorOf } from "./asker.ts";
import type { Role } from "./roles.ts";

/** A role for somebody on a pattern of repositories. */
export interface GrantRequest {
  readonly subject: GrantSubject;
  readonly role: Role;
  readonly repositories: RepositoryPattern;
}

const mostListed = 10_000;

/** Gives and takes roles. An administrator of some repositories may do so there. */
export function createGrantAdministration({
  access,
  record,
  changed,
}: Pick<AdministrationOptions, "access" | "record" | "changed">) {
  return {
    /** Those that the asker may change. */
    async list(asker: Asker): Promise<readonly GrantRow[]> {
      const grants = await access.listGrants(mostListed);
      if (isAdministrator(asker)) return grants;
      const { permissions } = asker.caller;
      return grants.filter(
        ({ repositories }) => isRepositoryPattern(repositories) && administers(permissions, repositories),
      );
    },

    async add(asker: Asker, grant: GrantRequest): Promise<undefined> {
      requireAdministratorOf(asker, grant.repositories, "give roles there");
      if (grant.subject.kind === "public" && grant.role !== "reader")
        throw new RegistryError("REQUEST_INVALID", "the public can only be a reader");
      if (grant.subject.kind === "account" && !(await access.findAccount(grant.subject.name)))
        throw new RegistryError("ACCOUNT_UNKNOWN", `there is no account ${grant.subject.name}`);
      if (!(await access.addGrant(grant))) return;
      changed();
      await record(entryFor(asker, "grant.add", subjectText(grant.subject), describe(grant)));
    },

    async remove(asker: Asker, grant: GrantRequest): Promise<undefined> {
      requireAdministratorOf(asker, grant.repositories, "take roles away there");
      const { subject, role, repositories } = grant;
      if (subject.kind === "account" && role === "administrator" && repositories === everyRepository)
        await keepAnAdministrator(access, subject.name);
      if (!(await access.removeGrant(grant)))
        throw new RegistryError("ACCOUNT_UNKNOWN", `${subjectText(subject)} has no role ${describe(grant)}`);
      changed();
      await record(entryFor(asker, "grant.remove", subjectText(subject), describe(grant)));
    },
  };
}

export type GrantAdministration = ReturnType<typeof createGrantAdministration>;

/** `alice`, `group:ops` or `public`: as people write it. */
export function subjectText(subject: GrantSubject): string {
  if (subject.kind === "public") return "public";
  return subject.kind === "group" ? `group:${subject.name}` : subject.name;
}

/** The other way round. */
export function parseSubject(text: string): GrantSubject {
  if (text === "public") return { kind: "public" };
  return text.startsWith("group:")
    ? { kind: "group", name: text.slice("group:".length) }
    : { kind: "account", name: text };
}

function describe({ role, repositories }: GrantRequest): string {
  return `${role} on ${repositories}`;
}
