import { stat } from "node:fs/promises";
import { blobDescriptor } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import type { BlobHandle, BlobReader } from "../../registry/registry.ts";
import { isMissing } from "../folder/files.ts";
import type { RegistryPaths } from "./paths.ts";

/**
 * Blobs of the folder, as files. Whether a repository has a link to a blob is not asked: what a manifest of it names
 * belongs to it, also where the link got lost.
 */
export function createBlobs(paths: RegistryPaths): BlobReader {
  const getBlob = async (repository: RepositoryName, digest: Digest): Promise<BlobHandle> => {
    const path = paths.blob(digest);
    const found = await stat(path).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
    if (found?.isFile()) {
      return { descriptor: blobDescriptor(digest, found.size), source: { kind: "file", path } };
    }
    throw new RegistryError(
      "BLOB_UNKNOWN",
      `the blob ${digest} of ${repository} is missing in the source: there is no ${path}`,
    );
  };
  return {
    getBlob,
    resolveBlob: async (repository, digest) => (await getBlob(repository, digest)).descriptor,
  };
}
