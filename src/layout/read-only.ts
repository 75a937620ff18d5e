import { RegistryError } from "../oci/errors.ts";
import type { BlobWriter, ManifestWriter, TagReader, UploadWriter } from "../registry/registry.ts";

/** The writing half of a registry that can only be read. @param why the message of its error, UNSUPPORTED */
export function refuseWrites(
  why: string,
): BlobWriter & UploadWriter & ManifestWriter & Pick<TagReader, "deleteTag"> {
  const refuse = (): Promise<never> => Promise.reject(new RegistryError("UNSUPPORTED", why));
  return {
    putBlob: refuse,
    mountBlob: refuse,
    deleteBlob: refuse,
    startUpload: refuse,
    getUpload: refuse,
    appendUpload: refuse,
    finishUpload: refuse,
    cancelUpload: refuse,
    putManifest: refuse,
    deleteManifest: refuse,
    deleteTag: refuse,
  };
}
