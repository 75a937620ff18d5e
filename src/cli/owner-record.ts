import { createAuditLog } from "../access/audit.ts";
import type { AuditEntry, AuditMetadata } from "../store/metadata/audit.ts";

/** Notes for the record of what was done that somebody with the data folder at hand did, without a login. */
export async function recordByOwner(
  audit: AuditMetadata,
  what: Pick<AuditEntry, "action" | "subject" | "detail">,
): Promise<void> {
  await createAuditLog(audit, () => {}).record({
    ...{ at: Date.now(), actor: "owner of the machine", credential: "none", address: "local" },
    ...{ outcome: "done", ...what },
  });
}
