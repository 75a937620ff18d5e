import { type LayoutArchive, openArchive } from "../../layout/index.ts";
import { isRegistryError } from "../../oci/errors.ts";

/** Opens an archive where it is; `undefined` when it is compressed, and has to be unpacked. @throws as `openArchive` */
export async function openInPlace(path: string): Promise<LayoutArchive | undefined> {
  try {
    return await openArchive(path);
  } catch (error) {
    if (isRegistryError(error, "UNSUPPORTED")) return undefined;
    throw error;
  }
}
