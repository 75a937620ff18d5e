import { isDigest } from "../../oci/digests.ts";
import type { BlobFiles } from "../blobs/files.ts";
import type { Metadata } from "../metadata/metadata.ts";
import type { Fault, InspectedBlob, RowStage, VerifyCounts, VerifyStage } from "../metadata/verification.ts";
import { examineBlob } from "./blobs.ts";
import { checkManifest, noDigest } from "./manifests.ts";
import type { Mender } from "./mender.ts";
import type { Pacer } from "./pacing.ts";
import { findStrays, foldersOf, type StrayAges } from "./strays.ts";

/** What one step looked at. */
export interface StepResult {
  /** Where the next step of the stage begins; absent at the stage's end. */
  readonly next?: string | undefined;
  /** Bytes of blobs are told as they are read. */
  readonly counts: Partial<VerifyCounts>;
  readonly faults: readonly Fault[];
}

/** The steps of a verification by stage: each looks at a few things behind a cursor, empty at the beginning. */
export type Steps = Readonly<Record<Exclude<VerifyStage, "done">, (cursor: string) => Promise<StepResult>>>;

/** What steps are made of. */
export interface StepOptions {
  readonly folder: string;
  readonly metadata: Metadata;
  readonly blobs: BlobFiles;
  readonly pacer: Pacer;
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number) => void;
  readonly mender?: Mender;
  readonly strayAges: StrayAges;
}

/** The most manifests, rows and blobs of one step: others have their turn in between. */
const manifestsAtOnce = 20;
const rowsAtOnce = 500;
const blobsAtOnce = 100;
/**
 * A step ends behind the blob that brings it over so many bytes, which is not read again after an interruption; and behind
 * what is found wrong, which is then told at once, and is written down before anything else can end the run.
 */
const bytesAtOnce = 64 * 1024 * 1024;

export function createSteps(options: StepOptions): Steps {
  return {
    database: databaseStep(options),
    manifests: manifestStep(options),
    ...{ tags: rowStep(options, "tags"), links: rowStep(options, "links") },
    referrers: rowStep(options, "referrers"),
    blobs: blobStep(options),
    files: fileStep(options),
  };
}

/** The name of the file is that of all stores; what it holds is looked at by the other stages. */
export const databaseName = "metadata.db";

function databaseStep({ metadata: { verification }, signal }: StepOptions) {
  return async (): Promise<StepResult> => {
    const [first, ...more] = await verification.checkDatabase(signal);
    if (first === undefined) return { counts: {}, faults: [] };
    const found = more.length > 0 ? `${first}, and ${more.length} more` : first;
    const detail = `${found}; nothing mends that but restoring a backup`;
    return { counts: {}, faults: [{ kind: "metadata-damaged", subject: databaseName, detail }] };
  };
}

function manifestStep({ metadata: { verification }, mender, pacer }: StepOptions) {
  return async (cursor: string): Promise<StepResult> => {
    const rows = await verification.inspectManifests(Number(cursor || 0), manifestsAtOnce);
    const faults: Fault[] = [];
    let looked = 0;
    for (const row of rows) {
      looked++;
      await pacer.take(row.bytes.byteLength);
      if (checkManifest(row).faults.length === 0) continue;
      const [again] = await verification.inspectManifests(row.id - 1, 1); // it may have been deleted meanwhile
      if (again?.id !== row.id) continue;
      const verdict = checkManifest(again);
      faults.push(...((await mender?.manifest(again, verdict)) ?? verdict.faults));
      if (faults.length > 0) break;
    }
    const isEnd = rows.length < manifestsAtOnce && looked === rows.length;
    const last = isEnd ? undefined : rows[looked - 1];
    return { next: last && String(last.id), counts: { manifests: looked }, faults };
  };
}

function rowStep({ metadata: { verification }, pacer }: StepOptions, stage: RowStage) {
  return async (cursor: string): Promise<StepResult> => {
    await pacer.take(0);
    const { faults, looked, next } = await verification.inspectRows(stage, cursor, rowsAtOnce);
    return { next, counts: { [stage === "tags" ? "tags" : "links"]: looked }, faults };
  };
}

function blobStep(options: StepOptions) {
  const { metadata } = options;
  return async (cursor: string): Promise<StepResult> => {
    const rows = await metadata.verification.inspectBlobs(Number(cursor || 0), blobsAtOnce);
    const faults: Fault[] = [];
    let bytes = 0;
    let looked = 0;
    for (const blob of rows) {
      const fault = await lookAtBlob(blob, options);
      looked++;
      bytes += blob.size;
      if (fault) faults.push(fault);
      if (fault || bytes >= bytesAtOnce) break;
    }
    const isEnd = rows.length < blobsAtOnce && looked === rows.length;
    const last = isEnd ? undefined : rows[looked - 1];
    return { next: last && String(last.id), counts: { blobs: looked }, faults };
  };
}

async function lookAtBlob(found: InspectedBlob, options: StepOptions): Promise<Fault | undefined> {
  const { mender, metadata } = options;
  const { id, digest } = found;
  if (!isDigest(digest)) return { kind: "metadata-damaged", subject: `blob ${id}`, detail: noDigest };
  let blob = found;
  let verdict = await examineBlob(blob, options);
  if (verdict.state !== "whole") {
    // A push may just have brought a whole one, or the blob may have been collected.
    const [again] = await metadata.verification.inspectBlobs(id - 1, 1);
    if (again?.digest !== digest) return undefined;
    blob = again;
    verdict = await examineBlob(blob, options);
  }
  if (verdict.state === "whole") {
    if (blob.isLost) await mender?.foundBlob(blob);
    return undefined;
  }
  if (!(await metadata.findBlob(digest))) return undefined;
  const [repository] = await metadata.verification.holdersOf(digest, 1);
  const fault = {
    ...{ kind: verdict.state, subject: digest, detail: verdict.detail },
    ...(repository === undefined ? {} : { repository }),
  };
  return mender ? mender.blob(blob, verdict, fault) : fault;
}

function fileStep({ folder, metadata, mender, pacer, strayAges }: StepOptions) {
  return async (cursor: string): Promise<StepResult> => {
    await pacer.take(0);
    const folders = await foldersOf(folder);
    // Folders that are made meanwhile are looked at if they come behind.
    const below = cursor === "" ? folders[0] : folders[folders.indexOf(cursor)];
    if (below === undefined) return { counts: {}, faults: [] };
    const { strays, looked } = await findStrays(folder, below, metadata.verification, strayAges);
    const faults: Fault[] = [];
    for (const stray of strays) {
      const fault = mender ? await mender.stray(stray) : stray.fault;
      if (fault) faults.push(fault);
    }
    return { next: folders[folders.indexOf(below) + 1], counts: { files: looked }, faults };
  };
}
