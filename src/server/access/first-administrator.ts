import { readFileSync } from "node:fs";
import { hashPassword, passwordFault } from "../../access/passwords.ts";
import { makePassword } from "../../access/secrets.ts";
import { everyRepository } from "../../oci/repository-patterns.ts";
import type { AccessMetadata } from "../../store/metadata/access.ts";
import { type Settings, SettingsError } from "../settings/settings.ts";

/** The account that a registry without accounts begins with. */
export interface FirstAdministrator {
  readonly name: string;
  /** To be shown once; absent when it was given. */
  readonly password?: string;
}

/** Shows the account to whoever starts the server. */
export type Announce = (administrator: FirstAdministrator) => void;

const name = "admin";
const variable = "BERTH_ADMIN_PASSWORD";

/**
 * Makes the first administrator when there is no account. The password comes from the file that the settings name,
 * else from the environment, from which it is removed, else it is made up.
 * @param announce shows the account, before it is there: whatever fails afterwards, nobody is locked out
 * @throws SettingsError when the given password cannot be one
 */
export async function ensureAdministrator(
  access: AccessMetadata,
  settings: Settings,
  environment: Record<string, string | undefined>,
  announce: Announce,
): Promise<void> {
  const inEnvironment = environment[variable]?.replace(/\r?\n$/, ""); // of a secret that was made from a file
  delete environment[variable]; // worker processes need not have it
  if (await access.hasAccounts()) return;
  const given = readPassword(settings) ?? inEnvironment;
  const fault = given === undefined ? undefined : passwordFault(given);
  if (fault !== undefined) throw new SettingsError(`the password of the first administrator: ${fault}`);
  const password = given ?? makePassword();
  announce({ name, ...(given === undefined ? { password } : {}) });
  // The account last: when the power goes in between, the next start does both again.
  await access.addGrant({
    subject: { kind: "account", name },
    role: "administrator",
    repositories: everyRepository,
  });
  await access.createAccount({
    name,
    kind: "person",
    source: "local",
    password: await hashPassword(password),
  });
}

function readPassword(settings: Settings): string | undefined {
  const file = settings.access["admin-password-file"];
  return file === undefined ? undefined : readSecretFile("access.admin-password-file", file);
}

/** A secret that stands alone in a file. @throws SettingsError */
export function readSecretFile(setting: string, file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SettingsError(`${setting} is ${JSON.stringify(file)}: ${reason}`, { cause });
  }
}
