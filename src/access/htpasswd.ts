import { quote } from "../oci/errors.ts";
import type { AccessMetadata, AccountRow } from "../store/metadata/access.ts";
import { allAccounts } from "./accounts.ts";
import { isAccountName } from "./identities.ts";

/** The source and the group of accounts that come from a file of passwords: roles can be given to the group. */
export const htpasswdSource = "htpasswd";

/** What a file of passwords says. */
export interface PasswordFile {
  /** bcrypt hashes by user name. */
  readonly hashes: ReadonlyMap<string, string>;
  /** Lines that could not be taken, and why. */
  readonly faults: readonly string[];
}

const bcryptShape = /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/;

/** Reads a file as `htpasswd -B` writes it: `name:hash` a line. */
export function parsePasswordFile(text: string): PasswordFile {
  const hashes = new Map<string, string>();
  const faults: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const [name, hash] = [line.slice(0, Math.max(0, colon)), line.slice(colon + 1)];
    const fault = !isAccountName(name)
      ? `${quote(name)} cannot be the name of an account`
      : !bcryptShape.test(hash)
        ? `the hash of ${name} is no bcrypt: make it with htpasswd -B`
        : undefined;
    if (fault === undefined) hashes.set(name, hash);
    else faults.push(`line ${index + 1}: ${fault}`);
  }
  return { hashes, faults };
}

/** What has to change so that the accounts are those of the file. */
export interface PasswordFilePlan {
  readonly create: readonly { readonly name: string; readonly hash: string }[];
  readonly change: readonly { readonly name: string; readonly hash: string }[];
  /** Those that are no longer in the file. Their roles are kept, in case they come back. */
  readonly disable: readonly string[];
  readonly enable: readonly string[];
  /** Names that another source has. */
  readonly taken: readonly string[];
}

export function planPasswordFile(file: PasswordFile, accounts: readonly AccountRow[]): PasswordFilePlan {
  const byName = new Map(accounts.map((account) => [account.name, account]));
  const ours = accounts.filter(({ source }) => source === htpasswdSource);
  const entries = Array.from(file.hashes, ([name, hash]) => ({ name, hash, known: byName.get(name) }));
  const isOurs = ({ known }: { known: AccountRow | undefined }) => known?.source === htpasswdSource;
  return {
    create: entries.filter(({ known }) => known === undefined).map(({ name, hash }) => ({ name, hash })),
    change: entries
      .filter((entry) => isOurs(entry) && entry.known?.password !== entry.hash)
      .map(({ name, hash }) => ({ name, hash })),
    disable: ours.filter(({ name, disabled }) => !disabled && !file.hashes.has(name)).map(({ name }) => name),
    enable: entries.filter((entry) => isOurs(entry) && entry.known?.disabled).map(({ name }) => name),
    taken: entries.filter((entry) => entry.known && !isOurs(entry)).map(({ name }) => name),
  };
}

/** Makes the accounts those of the file. Resolves to what was done. */
export async function followPasswordFile(
  access: AccessMetadata,
  text: string,
): Promise<{
  readonly plan: PasswordFilePlan;
  readonly faults: readonly string[];
}> {
  const file = parsePasswordFile(text);
  const plan = planPasswordFile(file, await allAccounts(access));
  for (const { name, hash } of plan.create) {
    await access.createAccount({
      name,
      kind: "person",
      source: htpasswdSource,
      password: hash,
      groups: [htpasswdSource],
    });
  }
  for (const { name, hash } of plan.change) await access.changeAccount(name, { password: hash });
  for (const name of plan.disable) await access.changeAccount(name, { disabled: true });
  for (const name of plan.enable) await access.changeAccount(name, { disabled: false });
  const taken = plan.taken.map(
    (name) => `there is another account ${name}: the line of the file is passed over`,
  );
  return { plan, faults: [...file.faults, ...taken] };
}
