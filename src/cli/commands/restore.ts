import { resolve } from "node:path";
import type { CopyCounts } from "../../store/backup/blobs.ts";
import { choosePoint, restore as restorePoint, unfinishedRestore } from "../../store/backup/restore.ts";
import { isWhole, type ListedPoint, listPoints, type Point } from "../../store/backup/target.ts";
import { type Context, defineCommand } from "../command.ts";
import { dataFlag, dataFolderOf, refuseForeignRoot } from "../data-folders.ts";
import { parseMoment } from "../durations.ts";
import { describeCopied, describeCopying } from "../output/copies.ts";
import { writeJson } from "../output/json.ts";
import { createWorkProgress } from "../output/progress/work.ts";
import { formatTable } from "../output/tables.ts";
import { formatSize } from "../output/units.ts";
import { describeFault } from "../output/verification.ts";
import { recordByOwner } from "../owner-record.ts";
import { parseRate, rateFlag } from "../rates.ts";

const operands = { target: { value: "TARGET", completion: "folder" } } as const;
const flags = {
  at: {
    type: "text",
    value: "POINT",
    summary: "a point by its name, or the newest of before a time",
    otherwise: "the newest",
  },
  list: { type: "switch", summary: "print the points there are, and restore nothing" },
  data: { ...dataFlag.data, summary: "the data folder to restore into, empty or new" },
  ...rateFlag,
  quiet: { type: "switch", short: "q", summary: "print only what is wrong" },
  json: { type: "switch", summary: "print progress, faults and the result as JSON, one a line" },
} as const;

type RestoreContext = Context<typeof flags, typeof operands>;

/** `berth restore`. */
export const restore = defineCommand({
  operands,
  flags,
  description: `Restores a store from a folder of backups into an empty folder, or a new one, and verifies every byte. What is
interrupted goes on when run again. Whoever was logged in logs in again; tokens that were revoked since the point are
valid again: revoke them once more. Exit code 1 when the backup lacks a blob, or has it damaged; all else is restored.`,
  examples: [
    { line: "berth restore /mnt/backup --data /var/lib/berth", does: "the newest point" },
    {
      line: "berth restore /mnt/backup --at 2026-11-24 --data ./yesterday",
      does: "the last one of before that day",
    },
  ],
  async run(context) {
    const { flags, operands, cwd } = context;
    const target = resolve(cwd, operands.target);
    if (flags.list) return printPoints(context, await listPoints(target));
    const folder = dataFolderOf(context);
    await refuseForeignRoot(folder);
    const at = flags.at ?? (await unfinishedRestore(folder));
    const point = await choosePoint(target, parsePoint(at));
    const counts = await run(context, target, folder, point);
    return counts.faults > 0 ? 1 : 0;
  },
});

/** Names of points are no times: they have no colons. */
function parsePoint(at: string | undefined): string | Date | undefined {
  return at === undefined || /T\d\d-\d\d-\d\dZ(?:-\d+)?$/.test(at) ? at : parseMoment(at);
}

async function run(
  { flags, stdout, signal }: RestoreContext,
  target: string,
  folder: string,
  point: Point,
): Promise<CopyCounts> {
  const progress = createWorkProgress(stdout, flags);
  try {
    const counts = await restorePoint({
      ...{ target, folder, point, bytesPerSecond: parseRate(flags.rate), signal },
      // What follows in the record is not what followed before.
      record: ({ audit }) => recordByOwner(audit, { action: "store.restore", subject: point.name }),
      onFault: (fault) => progress.say({ text: describeFault(fault), json: { state: "fault", ...fault } }),
      onProgress: (done) =>
        progress.tell(() => ({
          text: describeCopying("Restoring", done),
          json: { state: "progress", ...done },
        })),
    });
    const text = `Restored point ${point.name} into ${folder}: ${describeCopied(counts)}`;
    if (!flags.quiet || flags.json)
      progress.say({ text, json: { state: "done", point: point.name, ...counts } });
    return counts;
  } finally {
    progress.end();
  }
}

function printPoints({ flags, stdout }: RestoreContext, points: readonly ListedPoint[]): number {
  if (flags.json) {
    for (const point of points) {
      if (!isWhole(point)) writeJson(stdout, { name: point.name, damaged: point.damage });
      else {
        const { name, at, blobs, bytes, lost } = point;
        writeJson(stdout, { name, at, blobs, bytes, lost });
      }
    }
    return 0;
  }
  const rows = points.map((point) =>
    isWhole(point)
      ? [point.name, `${point.blobs}`, formatSize(point.bytes), `${point.lost.length}`]
      : [point.name, "damaged", "-", "-"],
  );
  stdout.write(formatTable(["POINT", "BLOBS", "SIZE", "LOST"], rows));
  return 0;
}
