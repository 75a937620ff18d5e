import { resolve } from "node:path";
import { backUp } from "../../store/backup/backup.ts";
import { defineCommand, UsageError } from "../command.ts";
import { dataFlag, withDataFolder } from "../data-folders.ts";
import { describeCopied, describeCopying } from "../output/copies.ts";
import { printWarning } from "../output/messages.ts";
import { createWorkProgress } from "../output/progress/work.ts";
import { counted, formatSize } from "../output/units.ts";
import { describeFault } from "../output/verification.ts";
import { parseRate, rateFlag } from "../rates.ts";

/** `berth backup`. */
export const backup = defineCommand({
  operands: { target: { value: "TARGET", completion: "folder" } },
  flags: {
    ...dataFlag,
    keep: {
      type: "number",
      value: "N",
      summary: "keep the newest N points and remove older ones",
      otherwise: "all",
    },
    ...rateFlag,
    quiet: { type: "switch", short: "q", summary: "print only what is wrong" },
    json: { type: "switch", summary: "print progress, faults and the result as JSON, one a line" },
  },
  description: `Adds a point to a folder of backups: the metadata of one moment, and the blobs that are not there yet, verified as
they are copied. The server may run meanwhile; nothing is collected until the end. What is interrupted goes on when run
again. A backup holds the hashes of passwords and tokens: keep it as you keep the server. Exit code 1 when a blob could
not be backed up; all others are.`,
  examples: [
    { line: "berth backup /mnt/backup --data /var/lib/berth --keep 7", does: "each night, for a week" },
  ],
  async run(context) {
    const { flags, operands, cwd, signal, stdout } = context;
    if (flags.keep === 0) throw new UsageError("--keep 0 would keep nothing: expected 1 or more");
    const target = resolve(cwd, operands.target);
    const bytesPerSecond = parseRate(flags.rate);
    return withDataFolder(context, async (opened) => {
      const progress = createWorkProgress(stdout, flags);
      try {
        const { point, counts, pruned } = await backUp({
          ...opened,
          ...{ target, keep: flags.keep, bytesPerSecond, signal },
          onFault: (fault) =>
            progress.say({ text: describeFault(fault), json: { state: "fault", ...fault } }),
          onProgress: (done) =>
            progress.tell(() => ({
              text: describeCopying("Backing up", done),
              json: { state: "progress", ...done },
            })),
        });
        const removed =
          pruned.points.length === 0
            ? ""
            : `\nRemoved ${counted(pruned.points.length, "point")} and ${counted(pruned.blobs, "blob")} (${formatSize(pruned.bytes)})`;
        if (pruned.damaged.length > 0) {
          const which = `${pruned.damaged.join(", ")} cannot be read`;
          printWarning(context, `${which}: no blobs were removed from ${target}, which such points may need`);
        }
        if (pruned.foreign.length > 0) {
          printWarning(
            context,
            `left as it is, as no backup has made it: ${pruned.foreign.join(", ")} in ${target}`,
          );
        }
        const text = `Point ${point.name} in ${target}: ${describeCopied(counts)}${removed}`;
        const json = { state: "done", point: point.name, ...counts, removed: pruned };
        if (!flags.quiet || flags.json) progress.say({ text, json });
        return counts.faults > 0 ? 1 : 0;
      } finally {
        progress.end();
      }
    });
  },
});
