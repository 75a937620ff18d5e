import { hashPassword, passwordFault } from "../../../access/passwords.ts";
import { everyRepository } from "../../../oci/repository-patterns.ts";
import type { Metadata } from "../../../store/metadata/metadata.ts";
import { defineCommand, UsageError } from "../../command.ts";
import { dataFlag, withDataFolder } from "../../data-folders.ts";
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
    const { flags, operands, stdout } = context;
    const { name = "admin" } = operands;
    await withDataFolder(context, async ({ metadata }) => {
      const password = await readNewPassword(context, flags["password-stdin"]);
      const fault = passwordFault(password);
      if (fault !== undefined) throw new UsageError(fault);
      await recover(metadata, name, await hashPassword(password));
    });
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
