import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Digest } from "../oci/digests.ts";
import { mediaTypes } from "../oci/media-types.ts";
import { parseTag, type RepositoryName } from "../oci/names.ts";
import type { PullRecord } from "./metadata/tags.ts";
import { createPullMemory } from "./pulls.ts";
import { openStore } from "./store.ts";

const repository = "gallery/ui" as RepositoryName; // safe: it is a name
const digest = (number: number) => `sha256:${String(number).padStart(64, "0")}` as Digest; // safe: it is a digest

describe("createPullMemory", () => {
  test("flush writes each manifest once, in batches, and then has nothing to write", async () => {
    const batches: (readonly PullRecord[])[] = [];
    const memory = createPullMemory(async (pulls) => void batches.push(pulls));
    for (let pull = 0; pull < 1800; pull++) memory.note(repository, digest(pull % 600));
    await memory.flush();
    expect(batches.map(({ length }) => length)).toEqual([500, 100]);
    await memory.flush();
    expect(batches).toHaveLength(2);
  });

  test("flush tries again what could not be written", async () => {
    let broken = true;
    const written: PullRecord[] = [];
    const memory = createPullMemory(async (pulls) => {
      if (broken) throw new Error("busy");
      written.push(...pulls);
    });
    memory.note(repository, digest(1));
    expect(memory.flush()).rejects.toThrow("busy");
    broken = false;
    await memory.flush();
    expect(written.map((pull) => pull.digest)).toEqual([digest(1)]);
  });
});

test("a store notes a pull when a manifest is read, and none when it is only asked what a tag is", async () => {
  const folder = await mkdtemp(join(tmpdir(), "berth-pulls-"));
  const store = await openStore({ folder });
  try {
    const { registry, metadata, pulls } = store;
    const tag = parseTag("1.0");
    const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] };
    const bytes = new TextEncoder().encode(JSON.stringify(index));
    const { descriptor } = await registry.putManifest(repository, {
      ...{ bytes, mediaType: mediaTypes.ociIndex, tags: [tag] },
    });
    await registry.resolveTag(repository, tag);
    await registry.resolveManifest(repository, descriptor.digest);
    await pulls.flush();
    expect((await metadata.listPulls(repository)).size).toBe(0);
    await registry.getTag(repository, tag);
    await pulls.flush();
    expect(Array.from((await metadata.listPulls(repository)).keys())).toEqual([descriptor.digest]);
  } finally {
    await store.close();
    await rm(folder, { recursive: true });
  }
});
