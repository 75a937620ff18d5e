import type { Descriptor } from "../../oci/descriptors.ts";

/**
 * What happens to one manifest or blob. It begins with `waiting` and ends with `exists` (it was there), `mounted`
 * (linked from the source repository, no bytes were sent) or `done`; before `done`, a blob has `bytes` as they pass.
 */
export type CopyEvent =
  | { readonly state: "waiting" | "exists" | "mounted" | "done"; readonly descriptor: Descriptor }
  | {
      readonly state: "bytes";
      readonly descriptor: Descriptor;
      /** How many bytes of it have passed so far. */
      readonly bytes: number;
    };
