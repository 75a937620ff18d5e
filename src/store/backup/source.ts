import { join } from "node:path";
import { blobDescriptor } from "../../oci/descriptors.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { Registry } from "../../registry/registry.ts";
import { createBlobFiles } from "../blobs/files.ts";
import { partPoints } from "./metadata-check.ts";
import { openSnapshot } from "./snapshot.ts";
import { blobFolderOf, listPoints, markName } from "./target.ts";

/** A folder of backups as a place to fetch single blobs and manifests from. */
export interface BackupSource {
  readonly source: Pick<Registry, "getBlob" | "getManifest">;
  /** Names of points that cannot be read: they are not asked. */
  readonly damaged: readonly string[];
  close(): void;
}

/** Opens all whole points of a folder of backups: the newest that has something whole is asked. @throws as `listPoints` */
export async function openBackupSource(target: string): Promise<BackupSource> {
  const { whole, damaged } = await partPoints(await listPoints(target));
  const snapshots = whole.toReversed().map(({ database }) => openSnapshot(database));
  const blobs = createBlobFiles(blobFolderOf(target));
  return {
    damaged,
    source: {
      async getBlob(_repository, digest, { size = 0 } = {}) {
        const descriptor = blobDescriptor(digest, size);
        for (const snapshot of snapshots) {
          const bytes = snapshot.smallBlob(digest);
          if (bytes) return { descriptor, source: { kind: "bytes", bytes } };
        }
        if (blobs.isThere(digest, size)) {
          return { descriptor, source: { kind: "file", path: blobs.pathOf(digest) } };
        }
        throw new RegistryError("BLOB_UNKNOWN", `it has no blob ${digest}`);
      },
      async getManifest(_repository, digest) {
        for (const snapshot of snapshots) {
          const found = snapshot.manifest(digest);
          if (!found) continue;
          const { bytes, mediaType } = found;
          return { descriptor: { mediaType, digest, size: bytes.byteLength }, bytes };
        }
        throw new RegistryError("MANIFEST_UNKNOWN", `it has no manifest ${digest}`);
      },
    },
    close() {
      for (const snapshot of snapshots) snapshot.close();
    },
  };
}

/** Whether a path leads to a folder of backups. */
export async function isBackup(path: string): Promise<boolean> {
  return Bun.file(join(path, markName)).exists();
}
