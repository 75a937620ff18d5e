import { open, stat } from "node:fs/promises";
import { errorCode } from "../../registry/files/durable.ts";
import { digestOfFile } from "../../registry/files/hash-file.ts";
import type { CollectionMetadata } from "../metadata/collection.ts";
import type { BlobFiles } from "./files.ts";

/**
 * An upload got the name of its blob, and was cut off before the metadata knew of it. The file at `path` is its other
 * name: the blob's is found by its digest, and left to collections.
 */
export async function removeHalfStored(
  path: string,
  blobs: Pick<BlobFiles, "pathOf">,
  metadata: Pick<CollectionMetadata, "addRemovedFile">,
): Promise<void> {
  const handle = await open(path, "r");
  try {
    const { ino, size } = await handle.stat();
    for (const algorithm of ["sha256", "sha512"] as const) {
      const digest = await digestOfFile(handle, algorithm);
      const found = await stat(blobs.pathOf(digest)).catch((error) => {
        if (errorCode(error) !== "ENOENT") throw error;
      });
      if (found?.ino === ino) return await metadata.addRemovedFile(digest, size);
    }
  } finally {
    await handle.close();
  }
}
