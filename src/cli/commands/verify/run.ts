import { resolve } from "node:path";
import type { RepositoryName } from "../../../oci/names.ts";
import { isBackup, openBackupSource } from "../../../store/backup/source.ts";
import type { DataFolder } from "../../../store/data-folder.ts";
import type { Fault, VerificationRow, VerifyPlace } from "../../../store/metadata/verification.ts";
import { createMender } from "../../../store/verify/mender.ts";
import { createRefetcher } from "../../../store/verify/refetching.ts";
import { verifyStore } from "../../../store/verify/verify.ts";
import { type Context, defineCommand, UsageError } from "../../command.ts";
import { dataFlag, dataFolderOf, refuseForeignRoot, withDataFolder } from "../../data-folders.ts";
import { parseRegistry } from "../../locations/operands.ts";
import { registryFlags, withRemotes } from "../../locations/registries.ts";
import { printWarning } from "../../output/messages.ts";
import { createWorkProgress, type WorkProgress } from "../../output/progress/work.ts";
import { counted } from "../../output/units.ts";
import { describeCounts, describeFault, describePlace } from "../../output/verification.ts";
import { parseRate, rateFlag } from "../../rates.ts";
import { verifyBackupFolder } from "./backups.ts";

const flags = {
  ...dataFlag,
  ...rateFlag,
  repair: { type: "switch", summary: "mend what can be mended" },
  from: {
    type: "text",
    value: "REGISTRY|TARGET",
    summary:
      "with --repair: fetch damaged content again, from a registry with the same repositories or from backups",
    completion: "registry",
  },
  restart: { type: "switch", summary: "begin anew instead of going on where the last one was broken off" },
  quiet: { type: "switch", short: "q", summary: "print only what is wrong" },
  json: { type: "switch", summary: "print progress, faults and the result as JSON, one a line" },
  ...registryFlags,
} as const;

const operands = { target: { value: "TARGET", optional: true, completion: "folder" } } as const;

type VerifyContext = Context<typeof flags, typeof operands>;

/** `berth verify`. */
export const verify = defineCommand({
  operands,
  flags,
  description: `Reads everything in a data folder: every manifest and what it names, every tag and link, the bytes of every blob, files
that nobody knows. The server may run meanwhile. What is interrupted goes on where it was, when run again. With
--repair, a damaged blob is moved to the folder quarantine, so that it is answered as not there and the next push
brings it back; files that nobody knows are moved there too. With a folder of backups, TARGET, its points and their blobs
are read instead. Exit code 1 when something is wrong that was not mended.`,
  examples: [
    { line: "berth verify --data /var/lib/berth", does: "everything, beside the running server" },
    { line: "berth verify --repair --from registry.example.com", does: "with what is damaged fetched again" },
    { line: "berth verify --repair --from /mnt/backup", does: "likewise, from what berth backup has made" },
    { line: "berth verify /mnt/backup", does: "every byte of the backups" },
  ],
  async run(context) {
    const { flags, operands } = context;
    if (operands.target !== undefined) return verifyBackupFolder(context, operands.target);
    if (flags.from !== undefined && !flags.repair) throw new UsageError("--from goes with --repair");
    if (flags.repair) await refuseForeignRoot(dataFolderOf(context));
    const bytesPerSecond = parseRate(flags.rate);
    return withDataFolder(context, (opened) =>
      withMender(context, opened, async (mender) => {
        const progress = createWorkProgress(context.stdout, flags);
        try {
          const row = await verifyStore({
            ...opened,
            by: flags.repair ? "repair" : "command",
            ...{ restart: flags.restart, bytesPerSecond, signal: context.signal },
            ...(mender && { mender }),
            onFault: (fault) => sayFault(progress, fault),
            onAnew: (faults) => sayAnew(progress, faults),
            onProgress: (place) => progress.tell(() => stateOf(place)),
          });
          return report(context, progress, row);
        } finally {
          progress.end();
        }
      }),
    );
  },
});

type Mender = ReturnType<typeof createMender>;

async function withMender(
  context: VerifyContext,
  opened: DataFolder,
  act: (mender: Mender | undefined) => Promise<number>,
): Promise<number> {
  const { flags, signal, cwd } = context;
  if (!flags.repair) return act(undefined);
  if (flags.from === undefined) return act(createMender(opened));
  const folder = resolve(cwd, flags.from);
  if (await isBackup(folder)) {
    const backup = await openBackupSource(folder);
    const { source, damaged } = backup;
    if (damaged.length > 0) {
      printWarning(
        context,
        `nothing is fetched from ${damaged.join(", ")} in ${folder}: these points cannot be read`,
      );
    }
    const refetcher = createRefetcher({ ...opened, source, nameOf: () => folder, signal });
    return act(createMender(opened, refetcher)).finally(backup.close);
  }
  const { registry, ...typed } = parseRegistry(flags.from);
  return withRemotes(context, ({ client }) => {
    const source = client(registry, typed);
    const nameOf = (repository: RepositoryName): string => `${registry}/${repository}`;
    return act(createMender(opened, createRefetcher({ ...opened, source, nameOf, signal })));
  });
}

function sayFault(progress: WorkProgress, fault: Fault): void {
  progress.say({ text: describeFault(fault), json: { state: "fault", ...fault } });
}

function sayAnew(progress: WorkProgress, faults: number): void {
  const text = `The last verification was broken off and had left ${counted(faults, "fault")} as found: beginning anew to mend`;
  progress.say({ text, json: { state: "anew", faults } });
}

function stateOf(place: VerifyPlace) {
  const { stage, counts } = place;
  return { text: describePlace(place), json: { state: "progress", stage, counts } };
}

function report(
  { flags }: VerifyContext,
  progress: WorkProgress,
  { counts, ...row }: VerificationRow,
): number {
  const left = counts.faults - counts.mended;
  const isQuiet = flags.quiet && left === 0 && !flags.json;
  const text = `Verified ${describeCounts(counts)}${left > 0 && !flags.repair ? advice : ""}`;
  if (!isQuiet) progress.say({ text, json: { state: "done", ...row, counts } });
  return left > 0 ? 1 : 0;
}

const advice = "\nberth verify --repair mends what can be mended, and takes damaged blobs out of use";
