import { readFile, stat } from "node:fs/promises";
import { followPasswordFile } from "../../access/htpasswd.ts";
import type { AccessMetadata } from "../../store/metadata/access.ts";
import type { Log } from "../log.ts";
import { SettingsError } from "../settings/settings.ts";

const checkMs = 1000;

/**
 * Takes the accounts of a file of passwords, and follows its changes until it is closed.
 * @throws SettingsError when the file cannot be read
 */
export async function watchPasswordFile(
  file: string,
  access: AccessMetadata,
  changed: () => void,
  log: Log,
): Promise<{ close(): void }> {
  let seen = "";
  const follow = async (): Promise<void> => {
    const { mtimeMs, size, ino } = await stat(file);
    const version = `${mtimeMs} ${size} ${ino}`;
    if (version === seen) return;
    const { plan, faults } = await followPasswordFile(access, await readFile(file, "utf8"));
    seen = version;
    changed();
    const counts = Object.fromEntries(Object.entries(plan).map(([what, names]) => [what, names.length]));
    log.info({ file, ...counts }, "took the accounts of the password file");
    for (const fault of faults) log.warn({ file, fault }, "passed over a line of the password file");
  };
  try {
    await follow();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SettingsError(`access.htpasswd is ${JSON.stringify(file)}: ${reason}`, { cause });
  }
  let failed = "";
  const timer = setInterval(() => {
    follow().then(
      () => {
        failed = "";
      },
      (error) => {
        // It may be about to be replaced: what it said last goes on, and each reason is told once.
        if (String(error) !== failed) log.error({ err: error, file }, "cannot read the password file");
        failed = String(error);
      },
    );
  }, checkMs);
  return { close: () => clearInterval(timer) };
}
