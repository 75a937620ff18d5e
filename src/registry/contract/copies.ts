import { expect } from "bun:test";
import type { Descriptor } from "../../oci/descriptors.ts";
import type { Tag } from "../../oci/names.ts";
import type { CopyEvent } from "../copy/events.ts";
import { type CopyOptions, copy } from "../copy.ts";
import { createMemoryRegistry } from "../memory.ts";
import type { Registry } from "../registry.ts";
import { withCalls } from "./faults.ts";
import { repositoryA as a, repositoryB as b, type pushImage, readBlob, tags } from "./fixtures.ts";

/** The tag of what is copied. */
export const [latest] = tags("latest") as [Tag]; // safe: one name gives one tag

export function setUp() {
  const from = createMemoryRegistry();
  const to = createMemoryRegistry();
  const listened = withCalls(to);
  const run = (reference: Tag | Descriptor, names: readonly Tag[] = [], options: CopyOptions = {}) =>
    copy(
      { registry: from, repository: a, ...(typeof reference === "string" ? { tag: reference } : reference) },
      { registry: listened.registry, repository: b, tags: names },
      options,
    );
  return { from, to, run, calls: listened.calls };
}

/** How often each method was called. */
export function methodsOf(calls: readonly { readonly method: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { method } of calls) counts[method] = (counts[method] ?? 0) + 1;
  return counts;
}

/** Checks the grammar of events and gives each descriptor's last state. */
export function statesOf(events: readonly CopyEvent[]): Map<string, CopyEvent["state"]> {
  const states = new Map<string, CopyEvent["state"]>();
  const bytes = new Map<string, number>();
  for (const event of events) {
    const { digest, size } = event.descriptor;
    const before = states.get(digest);
    if (event.state === "waiting") expect(before).toBeUndefined();
    else expect(before).toBeOneOf(["waiting", "bytes"]);
    if (event.state === "bytes") {
      expect(event.bytes).toBeGreaterThan(bytes.get(digest) ?? 0);
      bytes.set(digest, event.bytes);
    }
    if (before === "bytes" && event.state === "done") expect(bytes.get(digest)).toBe(size);
    states.set(digest, event.state);
  }
  return states;
}

/** That an image is at `b`. */
export async function expectImage(
  registry: Registry,
  pushed: Awaited<ReturnType<typeof pushImage>>,
): Promise<void> {
  expect((await registry.getManifest(b, pushed.descriptor.digest)).bytes).toEqual(pushed.bytes);
  for (const blob of pushed.blobs) expect((await readBlob(registry, b, blob)).byteLength).toBe(blob.size);
}
