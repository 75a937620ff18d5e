import { RegistryError } from "../oci/errors.ts";
import type { Registry } from "../registry/registry.ts";

/** A registry that everybody may read and nobody may change. */
export function readOnly(registry: Registry): Registry {
  const refuse = async (): Promise<never> => {
    throw new RegistryError(
      "DENIED",
      "this registry is open for pulling only: it was started with --open=pull",
    );
  };
  return {
    ...registry,
    putBlob: refuse,
    mountBlob: async () => undefined,
    deleteBlob: refuse,
    startUpload: refuse,
    appendUpload: refuse,
    finishUpload: refuse,
    cancelUpload: refuse,
    putManifest: refuse,
    deleteManifest: refuse,
    deleteTag: refuse,
  };
}
