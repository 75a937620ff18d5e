import { RegistryError } from "../../oci/errors.ts";

/** Refuses: a browser has no local files. Chosen for `#stream-file` by package.json in browsers. */
export async function streamFile(): Promise<ReadableStream<Uint8Array>> {
  throw new RegistryError("UNSUPPORTED", "the blob is a local file, which a browser cannot read");
}
