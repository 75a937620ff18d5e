import type { Digest } from "../oci/digests.ts";
import type { CopyEvent } from "../registry/copy/events.ts";

/** Bytes that pass between two collections. */
const everyBytes = 32 * 1024 * 1024;

/**
 * Keeps memory flat while blobs pass: what was read of them is collected every 32 MiB. Left to itself, the runtime lets
 * some 50 MiB more gather. One collection takes a few milliseconds.
 */
export function createCollections(collect: () => void = () => Bun.gc(true)): (event: CopyEvent) => void {
  const passed = new Map<Digest, number>();
  let uncollected = 0;
  return (event) => {
    if (event.state !== "bytes") return void passed.delete(event.descriptor.digest);
    const { digest } = event.descriptor;
    uncollected += event.bytes - (passed.get(digest) ?? 0);
    passed.set(digest, event.bytes);
    if (uncollected < everyBytes) return;
    uncollected = 0;
    collect();
  };
}
