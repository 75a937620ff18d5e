import type { Fault, VerifyCounts, VerifyPlace } from "../../store/metadata/verification.ts";
import { formatTable } from "./tables.ts";
import { counted, formatAge, formatSize } from "./units.ts";

/** A fault as a server tells it, whose kinds may be newer. */
type ShownFault = Omit<Fault, "kind" | "repository" | "mended"> & {
  readonly kind: string;
  readonly repository?: string | undefined;
  readonly mended?: string | undefined;
};

/** One fault in a line. */
export function describeFault({ kind, subject, repository, detail, mended }: ShownFault): string {
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
    ...[counted(manifests, "manifest"), counted(tags, "tag"), counted(links, "link")],
    ...[`${counted(blobs, "blob")} (${formatSize(bytes)})`, counted(files, "file")],
  ].join(", ");
  if (faults === 0) return `${looked}: nothing is wrong`;
  return `${looked}: ${counted(faults, "fault")}${mended > 0 ? `, ${mended} mended` : ""}`;
}

/** What a server tells of its verifications. */
export interface VerificationStatus {
  readonly lostBlobs: number;
  /** The newest first. */
  readonly verifications: readonly ShownVerification[];
}

interface ShownVerification {
  readonly id: number;
  readonly by: string;
  readonly startedAt: string;
  readonly finishedAt?: string | undefined;
  readonly stage: string;
  readonly counts: VerifyCounts;
}

/** A table of verifications. */
export function formatVerifications({ lostBlobs, verifications }: VerificationStatus, nowMs: number): string {
  const age = (time: string): string => formatAge(nowMs - new Date(time).getTime());
  const rows = verifications.map(({ id, by, startedAt, finishedAt, stage, counts }) => [
    ...[`${id}`, by, age(startedAt), finishedAt === undefined ? `at ${stage}` : age(finishedAt)],
    ...[
      `${counts.manifests}`,
      `${counts.blobs}`,
      formatSize(counts.bytes),
      `${counts.faults}`,
      `${counts.mended}`,
    ],
  ]);
  const lost = lostBlobs > 0 ? `${counted(lostBlobs, "blob")} lost: a push brings each back\n` : "";
  const headers = ["ID", "BY", "BEGAN", "ENDED", "MANIFESTS", "BLOBS", "READ", "FAULTS", "MENDED"];
  return `${formatTable(headers, rows)}${lost}`;
}
