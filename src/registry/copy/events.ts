import type { Descriptor } from "../../oci/descriptors.ts";
import type { RepositoryName } from "../../oci/names.ts";

/**
 * What happens to one manifest or blob. It begins with `waiting` and ends with `exists` (it was there), `mounted`
 * (linked from another repository, no bytes were sent) or `done`; before `done`, a blob has `bytes` as they pass.
 */
export type CopyEvent =
  | { readonly state: "waiting" | "exists" | "done"; readonly descriptor: Descriptor }
  | { readonly state: "mounted"; readonly descriptor: Descriptor; readonly from: RepositoryName }
  | {
      readonly state: "bytes";
      readonly descriptor: Descriptor;
      /** How many bytes of it have passed so far. */
      readonly bytes: number;
    };
