import type { CopyCounts } from "../../store/backup/blobs.ts";
import { counted, formatSize } from "./units.ts";

/** How far copying is, in a line: `Backing up: 12 of 40 blobs, 1.2GB of 4GB`. */
export function describeCopying(action: string, counts: CopyCounts): string {
  const { blobs, bytes, copied, copiedBytes, present, faults } = counts;
  const done = copied + present;
  const wrong = faults > 0 ? `, ${counted(faults, "fault")}` : "";
  return `${action}: ${done} of ${counted(blobs, "blob")}, ${formatSize(copiedBytes)} copied of ${formatSize(bytes)}${wrong}`;
}

/** What was copied: `40 blobs (4GB), 12 of them copied (1.2GB)`. */
export function describeCopied({ blobs, bytes, copied, copiedBytes, faults }: CopyCounts): string {
  const wrong = faults > 0 ? `; ${counted(faults, "blob")} could not be copied` : "";
  return `${counted(blobs, "blob")} (${formatSize(bytes)}), ${copied} of them copied (${formatSize(copiedBytes)})${wrong}`;
}
