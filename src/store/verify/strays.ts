import type { Dirent } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, isDigest, isDigestAlgorithm } from "../../oci/digests.ts";
import { errorCode } from "../../registry/files/durable.ts";
import type { Fault, VerificationMetadata } from "../metadata/verification.ts";
import { importEnding } from "../upload-files.ts";

/** A file that nothing knows of. */
export interface Stray {
  readonly fault: Fault;
  /** Which file was looked at. */
  readonly inode: number;
  /** Which blob's name it has, if it has one's. */
  readonly digest?: Digest;
}

/** Files that nothing knows of, of one folder. */
export interface StrayPage {
  readonly strays: readonly Stray[];
  readonly looked: number;
}

/** What tells a stray file from one that is on its way. Milliseconds. */
export interface StrayAges {
  /** A file among the blobs gets its row within this time. */
  readonly blobMs: number;
  /** An upload that nobody wrote to for so long has been given up. */
  readonly uploadMs: number;
}

/** An hour, and a week, or twice as long as the store's server keeps uploads. */
export async function strayAgesOf(metadata: Pick<VerificationMetadata, "uploadExpiry">): Promise<StrayAges> {
  const uploadMs = Math.max(7 * 24 * 3_600_000, 2 * (await metadata.uploadExpiry()));
  return { blobMs: 3_600_000, uploadMs };
}

const uploadShape = /^[0-9a-f-]{36}\.(?:put|import|[0-9a-f]{16})(?:\.busy\d+)?(?:\.digest|\.whole)?$/;

/** Who knows which blobs have a file. */
type Known = Pick<VerificationMetadata, "knowsFile">;

/** The folders of a store, in order, as paths below the data folder. */
export async function foldersOf(folder: string): Promise<readonly string[]> {
  const found = ["blobs"];
  for (const algorithm of await subfoldersOf(folder, "blobs")) {
    found.push(algorithm, ...(await subfoldersOf(folder, algorithm)));
  }
  return [...found, "uploads"];
}

async function subfoldersOf(folder: string, below: string): Promise<readonly string[]> {
  const entries = await listFolder(join(folder, below));
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${below}/${name}`)
    .sort();
}

/** Looks at the files of one of {@link foldersOf}. */
export async function findStrays(
  folder: string,
  below: string,
  metadata: Known,
  ages: StrayAges,
): Promise<StrayPage> {
  const strays: Stray[] = [];
  const files = (await listFolder(join(folder, below))).filter((entry) => !entry.isDirectory());
  for (const { name } of files) {
    const path = `${below}/${name}`;
    const found = await lstat(join(folder, path)).catch(ignoreMissing);
    if (!found) continue;
    const verdict =
      below === "uploads" ? judgeUpload(name, found, ages) : await judgeBlob(path, found, metadata, ages);
    if (!verdict) continue;
    const { digest, ...what } = verdict;
    strays.push({ fault: { ...what, subject: path }, inode: found.ino, ...(digest && { digest }) });
  }
  return { strays, looked: files.length };
}

type Verdict = (Pick<Fault, "kind" | "detail"> & Pick<Stray, "digest">) | undefined;
type FileTimes = { readonly size: number; readonly ctimeMs: number; readonly mtimeMs: number };

async function judgeBlob(
  path: string,
  { size, ctimeMs }: FileTimes,
  metadata: Known,
  ages: StrayAges,
): Promise<Verdict> {
  const [, algorithm = "", start = "", encoded = ""] = /^blobs\/(\w+)\/(\w\w)\/(\w+)$/.exec(path) ?? [];
  const digest = `${algorithm}:${encoded}`;
  if (!isDigestAlgorithm(algorithm) || !isDigest(digest) || !encoded.startsWith(start)) {
    return { kind: "foreign-file", detail: "its name is not that of a blob" };
  }
  // When it got its name, or its last one: a push that is under way records it soon.
  if (Date.now() - ctimeMs < ages.blobMs || (await metadata.knowsFile(digest))) return undefined;
  return { kind: "stray-blob", detail: `no blob of the metadata has these ${size} bytes`, digest };
}

function judgeUpload(name: string, { size, ctimeMs, mtimeMs }: FileTimes, ages: StrayAges): Verdict {
  if (!uploadShape.test(name)) return { kind: "foreign-file", detail: "its name is not that of an upload" };
  const since = name.includes(importEnding) ? ctimeMs : mtimeMs; // a linked file is as old as its source
  if (Date.now() - since < ages.uploadMs) return undefined;
  return { kind: "stray-upload", detail: `${size} bytes that nobody went on with` };
}

/** What is in a folder; nothing when it is not there. */
async function listFolder(path: string): Promise<Dirent[]> {
  return (await readdir(path, { withFileTypes: true }).catch(ignoreMissing)) ?? [];
}

function ignoreMissing(error: unknown): undefined {
  if (errorCode(error) !== "ENOENT") throw error;
}
