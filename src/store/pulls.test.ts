import { describe, expect, test } from "bun:test";
import type { Digest } from "../oci/digests.ts";
import type { RepositoryName } from "../oci/names.ts";
import type { PullRecord } from "./metadata/tags.ts";
import { createPullMemory } from "./pulls.ts";

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
