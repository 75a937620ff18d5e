import type { Fault, VerifyCounts, VerifyPlace } from "../../store/metadata/verification.ts";
import { formatSize } from "./units.ts";

/** One fault in a line. */
export function describeFault({ kind, subject, repository, detail, mended }: Fault): string {
  const where = repository === undefined ? subject : `${subject} (${repository})`;
  const outcome = mended === undefined ? "" : `: mended, ${mended}`;
  return `${kind}: ${where}: ${detail}${outcome}`;
}

/** How far a verification is, in a line. */
export function describePlace({ stage, counts }: VerifyPlace): string {
  return `Verifying ${stage}: ${describeCounts(counts)}`;
}

/** What was looked at, and what was found. */
export function describeCounts(counts: VerifyCounts): string {
  const { manifests, tags, links, blobs, bytes, files, faults, mended } = counts;
  const looked = [
    ...[plural(manifests, "manifest"), plural(tags, "tag"), plural(links, "link")],
    ...[`${plural(blobs, "blob")} (${formatSize(bytes)})`, plural(files, "file")],
  ].join(", ");
  if (faults === 0) return `${looked}: nothing is wrong`;
  return `${looked}: ${plural(faults, "fault")}${mended > 0 ? `, ${mended} mended` : ""}`;
}

/** `1 blob`, `2 blobs`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
