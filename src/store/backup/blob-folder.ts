import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, isDigest, isDigestAlgorithm } from "../../oci/digests.ts";
import { blobFolderOf } from "./target.ts";

/** A file among the blobs of a folder of backups. */
export interface BackedUpFile {
  readonly path: string;
  readonly digest: Digest;
  /** Whether a backup was killed while it wrote the file. */
  readonly isPartial: boolean;
}

const partialEnding = ".partial";

/**
 * The files of blobs in a folder of backups, in the order of their digests.
 * @param onForeign told of the path below the folder of what no backup has made
 */
export async function* backedUpFiles(
  target: string,
  onForeign: (path: string) => void,
): AsyncGenerator<BackedUpFile, void, undefined> {
  const root = blobFolderOf(target);
  const list = async (...below: readonly string[]): Promise<readonly Dirent[]> => {
    const entries = await readdir(join(root, ...below), { withFileTypes: true });
    return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  };
  const isOwn = (
    entry: Dirent,
    kind: "isFile" | "isDirectory",
    fits: boolean,
    ...above: string[]
  ): boolean => {
    if (entry[kind]() && fits) return true;
    onForeign(join("blobs", ...above, entry.name));
    return false;
  };
  for (const algorithm of await list()) {
    if (!isOwn(algorithm, "isDirectory", isDigestAlgorithm(algorithm.name))) continue;
    for (const start of await list(algorithm.name)) {
      if (!isOwn(start, "isDirectory", /^[0-9a-f]{2}$/.test(start.name), algorithm.name)) continue;
      for (const file of await list(algorithm.name, start.name)) {
        const isPartial = file.name.endsWith(partialEnding);
        const encoded = isPartial ? file.name.slice(0, -partialEnding.length) : file.name;
        const digest = `${algorithm.name}:${encoded}`;
        const fits = isDigest(digest) && encoded.startsWith(start.name);
        if (!isOwn(file, "isFile", fits, algorithm.name, start.name) || !isDigest(digest)) continue;
        yield { path: join(root, algorithm.name, start.name, file.name), digest, isPartial };
      }
    }
  }
}
