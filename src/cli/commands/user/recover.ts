import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { hashPassword, passwordFault } from "../../../access/passwords.ts";
import { everyRepository } from "../../../oci/repository-patterns.ts";
import type { Metadata } from "../../../store/metadata/metadata.ts";
import { openSqliteMetadata } from "../../../store/metadata/sqlite/sqlite.ts";
import { defineCommand, UsageError } from "../../command.ts";
import { dataFlag } from "../../data-folders.ts";
import { writeJson } from "../../output/json.ts";
import { recordByOwner } from "../../owner-record.ts";
import { readNewPassword } from "../../secrets.ts";

/** `berth user recover`. */
export const userRecover = defineCommand({
  operands: { name: { value: "NAME", optional: true } },
  flags: {
    ...dataFlag,
    "password-stdin": { type: "switch", summary: "read the password from standard input" },
    json: { type: "switch", summary: "print JSON" },
  },
  description: `For whoever owns the server's machine and cannot log in: makes NAME (admin if absent) an administrator with a new
password, whether or not there was such an account. The server may run meanwhile.`,
  async run(context) {
    const { flags, operands, stdout, cwd } = context;
    const { name = "admin" } = operands;
    const file = join(resolve(cwd, flags.data ?? "./berth-data"), "metadata.db");
    if (!existsSync(file))
      throw new UsageError(`there is no Berth's data in ${flags.data ?? "./berth-data"}`);
    const password = await readNewPassword(context, flags["password-stdin"]);
    const fault = passwordFault(password);
    if (fault !== undefined) throw new UsageError(fault);
    const metadata = openSqliteMetadata(file);
    try {
      await recover(metadata, name, await hashPassword(password));
    } finally {
      await metadata.close();
    }
    if (flags.json) writeJson(stdout, { name });
    else stdout.write(`${name} is an administrator with the new password\n`);
    return 0;
  },
});

async function recover({ access, audit }: Metadata, name: string, password: string): Promise<void> {
  const known = await access.findAccount(name);
  if (known && (known.kind !== "person" || known.source !== "local")) {
    throw new UsageError(`${name} is no person with a password of this registry: take another name`);
  }
  if (known) await access.changeAccount(name, { password, disabled: false });
  else await access.createAccount({ name, kind: "person", source: "local", password });
  await access.addGrant({
    subject: { kind: "account", name },
    role: "administrator",
    repositories: everyRepository,
  });
  await recordByOwner(audit, { action: "account.recover", subject: name });
}
