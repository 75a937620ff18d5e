import { resolve } from "node:path";
import { type VerifiedBackups, verifyBackups } from "../../../store/backup/verify.ts";
import { createQuarantine } from "../../../store/verify/quarantine.ts";
import { type Surroundings, UsageError } from "../../command.ts";
import { createWorkProgress } from "../../output/progress/work.ts";
import { counted, formatSize } from "../../output/units.ts";
import { describeFault } from "../../output/verification.ts";
import { parseRate } from "../../rates.ts";

/** What stands on the command line of `berth verify`, as far as it concerns a folder of backups. */
interface VerifyBackupsContext extends Surroundings {
  readonly flags: {
    readonly data: string | undefined;
    readonly from: string | undefined;
    readonly rate: string | undefined;
    readonly repair: boolean;
    readonly quiet: boolean;
    readonly json: boolean;
  };
}

/** `berth verify TARGET`. */
export async function verifyBackupFolder(context: VerifyBackupsContext, text: string): Promise<number> {
  const { flags, cwd, stdout, signal } = context;
  if (flags.data !== undefined) throw new UsageError("--data and a folder of backups are two: give one");
  if (flags.from !== undefined)
    throw new UsageError("--from goes with --data: the next backup mends a backup");
  const target = resolve(cwd, text);
  const progress = createWorkProgress(stdout, flags);
  try {
    const counts = await verifyBackups({
      ...{ target, signal, bytesPerSecond: parseRate(flags.rate) },
      quarantine: flags.repair ? createQuarantine(target) : undefined,
      onFault: (fault) => progress.say({ text: describeFault(fault), json: { state: "fault", ...fault } }),
      onProgress: (done) =>
        progress.tell(() => ({
          text: `Verifying backups: ${describeVerified(done)}`,
          json: { state: "progress", ...done },
        })),
    });
    const advice = counts.faults > 0 && !flags.repair ? repairAdvice : "";
    const text = `Verified ${describeVerified(counts)}${advice}`;
    if (!flags.quiet || flags.json || counts.faults > 0)
      progress.say({ text, json: { state: "done", ...counts } });
    return counts.faults > 0 ? 1 : 0;
  } finally {
    progress.end();
  }
}

const repairAdvice =
  "\nberth verify TARGET --repair moves damaged blobs aside, and the next berth backup copies them again";

function describeVerified({ points, blobs, bytes, faults }: VerifiedBackups): string {
  const wrong = faults === 0 ? "nothing is wrong" : counted(faults, "fault");
  return `${counted(points, "point")}, ${counted(blobs, "blob")} (${formatSize(bytes)}): ${wrong}`;
}
