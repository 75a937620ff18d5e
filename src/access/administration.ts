import { quote, RegistryError } from "../oci/errors.ts";
import { everyRepository } from "../oci/repository-patterns.ts";
import type { AccessMetadata, AccountRow, GrantRow } from "../store/metadata/access.ts";
import type { AuditEntry } from "../store/metadata/audit.ts";
import type { KeysetPage } from "../store/metadata/eventually.ts";
import { type Asker, entryFor, isAdministrator, requireAdministrator, requireOwner } from "./asker.ts";
import { isAccountName } from "./identities.ts";
import type { Logins } from "./logins.ts";
import { hashPassword, passwordFault } from "./passwords.ts";

/** What those who change accounts need. */
export interface AdministrationOptions {
  readonly access: AccessMetadata;
  /** Adds to the record. Resolves when it is durable. */
  readonly record: (entry: AuditEntry) => Promise<void>;
  /** Told when rights changed, so that the next request goes by them. */
  readonly changed: () => void;
  /** Checks the present password of who changes it. */
  readonly logins: Pick<Logins, "byPassword">;
}

/** A new account; a robot has no password but tokens. */
export interface AccountRequest {
  readonly name: string;
  readonly kind: AccountRow["kind"];
  readonly password?: string | undefined;
  readonly groups?: readonly string[] | undefined;
}

/** Changes accounts. Every change is recorded with who made it. */
export function createAccountAdministration({ access, record, changed, logins }: AdministrationOptions) {
  const done = async (entry: AuditEntry): Promise<void> => {
    changed();
    await record(entry);
  };
  const find = async (name: string): Promise<AccountRow> => {
    const account = await access.findAccount(name);
    if (!account) throw new RegistryError("ACCOUNT_UNKNOWN", `there is no account ${quote(name)}`);
    return account;
  };

  return {
    find,
    list: async (page: KeysetPage) => access.listAccounts(page),

    async create(asker: Asker, { name, kind, password, groups = [] }: AccountRequest): Promise<AccountRow> {
      requireAdministrator(asker, "make accounts");
      checkName(name);
      if (kind === "robot" && password !== undefined)
        throw new RegistryError("REQUEST_INVALID", "a robot has no password: make a token for it");
      if (password !== undefined) checkPassword(password);
      const hash = password === undefined ? undefined : await hashPassword(password);
      const made = await access.createAccount({
        name,
        kind,
        source: "local",
        groups,
        ...(hash === undefined ? {} : { password: hash }),
      });
      if (!made) throw new RegistryError("CONFLICT", `there is an account ${name} already`);
      await done(entryFor(asker, "account.create", name, kind));
      return made;
    },

    async change(
      asker: Asker,
      name: string,
      change: { readonly disabled?: boolean | undefined; readonly groups?: readonly string[] | undefined },
    ): Promise<AccountRow> {
      requireAdministrator(asker, "change accounts");
      await find(name);
      if (change.disabled) await keepAnAdministrator(access, name);
      const { disabled, groups } = change;
      await access.changeAccount(name, {
        ...(disabled === undefined ? {} : { disabled }),
        ...(groups === undefined ? {} : { groups }),
      });
      await done(entryFor(asker, "account.change", name, describeChange(change)));
      return find(name);
    },

    /** A person gives the present password, too; an administrator need not, for others. */
    async setPassword(asker: Asker, name: string, password: string, current?: string): Promise<undefined> {
      const account = await findOwn(asker, name, "change the password", find);
      if (account.kind === "robot" || account.source !== "local") {
        throw new RegistryError("REQUEST_INVALID", `the account ${name} has no password here to change`);
      }
      checkPassword(password);
      const isOwn = asker.caller.identity.kind === "person" && asker.caller.identity.name === name;
      if (isOwn || !isAdministrator(asker)) await logins.byPassword(name, current ?? "", asker.address);
      await access.changeAccount(name, { password: await hashPassword(password) });
      await done(entryFor(asker, "account.password", name));
    },

    async remove(asker: Asker, name: string): Promise<undefined> {
      requireAdministrator(asker, "remove accounts");
      await keepAnAdministrator(access, name);
      if (!(await access.deleteAccount(name))) await find(name);
      await done(entryFor(asker, "account.delete", name));
    },
  };
}

export type AccountAdministration = ReturnType<typeof createAccountAdministration>;

/** Says no to a stranger before it says whether there is such an account. */
export async function findOwn(
  asker: Asker,
  name: string,
  what: string,
  find: (name: string) => Promise<AccountRow>,
): Promise<AccountRow> {
  requireOwner(asker, name, what);
  return find(name);
}

function checkName(name: string): void {
  if (isAccountName(name)) return;
  throw new RegistryError(
    "REQUEST_INVALID",
    `${quote(name)} cannot be the name of an account: expected at most 64 lower-case letters, digits and . _ @ + -`,
  );
}

function checkPassword(password: string): void {
  const fault = passwordFault(password);
  if (fault !== undefined) throw new RegistryError("REQUEST_INVALID", fault);
}

function describeChange({
  disabled,
  groups,
}: {
  readonly disabled?: boolean | undefined;
  readonly groups?: readonly string[] | undefined;
}): string {
  const parts = [
    ...(disabled === undefined ? [] : [disabled ? "disabled" : "enabled"]),
    ...(groups === undefined ? [] : [`groups: ${groups.join(", ") || "none"}`]),
  ];
  return parts.join("; ");
}

const mostGrants = 100_000;

/** @throws RegistryError CONFLICT when nobody else could administer the registry */
export async function keepAnAdministrator(access: AccessMetadata, without: string): Promise<void> {
  const grants = await access.listGrants(mostGrants);
  const isFull = ({ role, repositories }: GrantRow) =>
    role === "administrator" && repositories === everyRepository;
  const names = grants.flatMap((grant) =>
    isFull(grant) && grant.subject.kind === "account" ? [grant.subject.name] : [],
  );
  if (!names.includes(without)) return;
  for (const name of names) {
    if (name === without) continue;
    const account = await access.findAccount(name);
    if (account && !account.disabled) return;
  }
  throw new RegistryError(
    "CONFLICT",
    `${without} is the last administrator of this registry: give another account the role administrator on ** first`,
  );
}
