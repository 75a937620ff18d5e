import { randomFillSync } from "node:crypto";
import { rename, stat, statfs, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { isRegistryError } from "../oci/errors.ts";
import { errorCode, unlinkIfThere } from "../registry/files/durable.ts";
import type { Metadata } from "./metadata/metadata.ts";

/**
 * Some room on the disk for the day when it is full: whoever then deletes something, or removes what nothing needs, has
 * to write a little first.
 */
export interface Reserve {
  /** Puts it aside, if it is not there and the disk has plenty. */
  fill(): Promise<void>;
  /** Does something that makes room; where the disk is full, with the help of the reserve. @throws what `act` throws */
  freeing<T>(act: () => Promise<T>): Promise<T>;
}

const reserveSize = 4 * 1024 * 1024;
/** So many times its size has to be free: a disk that is small or nearly full keeps what it has. */
const plenty = 16;

/** @param path a file of its own */
export function createReserve(path: string): Reserve {
  const isThere = async (): Promise<boolean> => (await sizeOf(path)) === reserveSize;
  return {
    async fill() {
      if (await isThere()) return;
      const { bavail, bsize } = await statfs(dirname(path));
      if (bavail * bsize < plenty * reserveSize) return;
      // Random: file systems store zeros in no room at all.
      await writeFile(`${path}.new`, randomFillSync(new Uint8Array(reserveSize)));
      await rename(`${path}.new`, path);
    },
    async freeing(act) {
      try {
        return await act();
      } catch (error) {
        if (!isRegistryError(error, "STORAGE_FULL") || (await sizeOf(path)) === undefined) throw error;
        await unlinkIfThere(path);
        return act();
      }
    },
  };
}

/** Metadata of which what makes room, and what leads to that, gets by with the reserve. */
export function withReserve(metadata: Metadata, { freeing }: Reserve): Metadata {
  const { collection } = metadata;
  return {
    ...metadata,
    deleteManifest: (...given) => freeing(() => metadata.deleteManifest(...given)),
    deleteBlob: (...given) => freeing(() => metadata.deleteBlob(...given)),
    collection: {
      ...collection,
      startRun: (...given) => freeing(() => collection.startRun(...given)),
      collect: (...given) => freeing(() => collection.collect(...given)),
      endRun: (...given) => freeing(() => collection.endRun(...given)),
    },
  };
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ size }) => size,
    (error) => {
      if (errorCode(error) !== "ENOENT") throw error;
      return undefined;
    },
  );
}
