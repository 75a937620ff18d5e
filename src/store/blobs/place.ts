import type { RepositoryName } from "../../oci/names.ts";
import type { Metadata, StoredBlob } from "../metadata/metadata.ts";
import type { BlobFiles } from "./files.ts";

/** Where blobs go: files, and the metadata that make them visible. */
export interface BlobPlace {
  readonly blobs: BlobFiles;
  /** Makes a durable, verified blob visible in a repository, as `linkStoredBlob` of the metadata. */
  readonly link: Metadata["linkStoredBlob"];
}

/** A file whose digest was verified. */
export interface VerifiedFile extends Pick<StoredBlob, "digest" | "size"> {
  /** On the file system of the blobs. */
  readonly path: string;
  readonly fd: number;
}

/**
 * Makes a file a blob and links it to a repository. Resolves when both are durable. The file keeps its name too. Also
 * where the blob is known, it takes the place of a file that may be lost or damaged.
 * @param received bytes that were sent for it
 */
export async function storeFile(
  { blobs, link }: BlobPlace,
  repository: RepositoryName,
  { digest, size, path, fd }: VerifiedFile,
  received: number,
): Promise<void> {
  // Not there any more when nobody else needed it and a collection took it away: it is stored again.
  do await blobs.adopt(path, fd, digest);
  while (!(await link(repository, { digest, size }, received, () => blobs.isThere(digest, size))));
}
