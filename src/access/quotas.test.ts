import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parseRepositoryName, type RepositoryName } from "../oci/names.ts";
import { parseRepositoryPattern } from "../oci/repository-patterns.ts";
import { digestOf } from "../registry/hash.ts";
import type { Registry } from "../registry/registry.ts";
import { openStore, type Store } from "../store/store.ts";
import { limitStorage } from "./quotas.ts";

let folder: string;
let store: Store;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "berth-quotas-"));
  store = await openStore({ folder });
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const named = parseRepositoryName;
const limited = (bytes: number, ...patterns: string[]): Registry =>
  limitStorage(
    store.registry,
    [{ repositories: patterns.map(parseRepositoryPattern), bytes }],
    store.metadata,
  );
const contentOf = (seed: string, size: number) => new TextEncoder().encode(seed.padEnd(size, seed));
const streamOf = (bytes: Uint8Array<ArrayBuffer>) => new Blob([bytes]).stream();
const put = (registry: Registry, repository: RepositoryName, bytes: Uint8Array<ArrayBuffer>) =>
  registry.putBlob(
    repository,
    { digest: digestOf(bytes, "sha256"), size: bytes.byteLength },
    streamOf(bytes),
  );
async function held(repository: RepositoryName): Promise<number | undefined> {
  const { items } = await store.metadata.listUsage({ limit: 100 });
  return items.find((item) => item.repository === repository)?.bytes;
}

describe("listUsage", () => {
  test("listUsage is the sum of what a repository holds after any links, deletions and pushes", async () => {
    const repositories = [named("a"), named("b")];
    const blobs = [10, 200, 3000].map((size, at) => contentOf(String(at), size));
    const mediaType = "application/vnd.oci.image.index.v1+json";
    const index = {
      bytes: new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType, manifests: [] })),
      mediaType,
      tags: [],
    };
    const indexDigest = digestOf(index.bytes, "sha256");
    const model = new Map(repositories.map((name) => [name, new Map<string, number>()]));
    const step = fc.record({
      what: fc.constantFrom("put", "mount", "delete", "push", "remove"),
      repository: fc.constantFrom(...repositories),
      blob: fc.nat(2),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        for (const { what, repository, blob } of steps) {
          const bytes = blobs[blob] ?? new Uint8Array();
          const digest = digestOf(bytes, "sha256");
          const holds = model.get(repository);
          if (what === "put") {
            await put(store.registry, repository, bytes);
            holds?.set(digest, bytes.byteLength);
          } else if (what === "mount") {
            const mounted = await store.registry.mountBlob(repository, digest);
            if (mounted) holds?.set(digest, mounted.size);
          } else if (what === "delete") {
            const done = await store.registry.deleteBlob(repository, digest).then(
              () => true,
              () => false,
            );
            if (done) holds?.delete(digest);
          } else if (what === "push") {
            await store.registry.putManifest(repository, index);
            holds?.set(indexDigest, index.bytes.byteLength);
          } else {
            const done = await store.registry.deleteManifest(repository, indexDigest).then(
              () => true,
              () => false,
            );
            if (done) holds?.delete(indexDigest);
          }
          const sum = [...(holds?.values() ?? [])].reduce((total, size) => total + size, 0);
          expect((await held(repository)) ?? 0).toBe(sum);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe("limitStorage", () => {
  test("limitStorage says what is used, the limit, and where the most is, when a push does not fit", async () => {
    const registry = limited(10 * 1024, "team-a/**");
    await put(registry, named("team-a/big"), contentOf("1", 8 * 1024));
    await put(registry, named("team-a/small"), contentOf("2", 1024));
    const over = put(registry, named("team-a/new"), contentOf("3", 2048));
    await expect(over).rejects.toMatchObject({
      code: "DENIED",
      message:
        "the quota of team-a/** is used up: 9 KiB of 10 KiB, and this would add 2 KiB. To free space, delete images and " +
        "blobs that are not needed; the most is in team-a/big (8 KiB), team-a/small (1 KiB)",
    });
    await put(registry, named("team-b/new"), contentOf("3", 2048));
    await put(registry, named("team-a/big"), contentOf("1", 8 * 1024)); // it is there already
  });

  test("limitStorage refuses at the end of an upload in parts what does not fit, and keeps nothing", async () => {
    const registry = limited(1000, "team-a/*");
    const name = named("team-a/app");
    const bytes = contentOf("x", 2000);
    const { id } = await registry.startUpload(name);
    await registry.appendUpload(name, id, streamOf(bytes));
    await expect(registry.finishUpload(name, id, digestOf(bytes, "sha256"))).rejects.toMatchObject({
      code: "DENIED",
    });
    expect(await held(name)).toBeUndefined();
  });

  test("limitStorage lets in no more than fits when many push at once", async () => {
    const registry = limited(10_000, "team-a/**");
    const pushes = Array.from({ length: 20 }, (_, at) =>
      put(registry, named(`team-a/app${at}`), contentOf(`${at} `, 3000)),
    );
    const outcomes = await Promise.allSettled(pushes);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
  });

  test("limitStorage counts what is mounted, and lets in more when something was deleted", async () => {
    const registry = limited(3000, "team-a/*");
    const bytes = contentOf("m", 2900);
    await put(registry, named("other/app"), bytes);
    const digest = digestOf(bytes, "sha256");
    await registry.mountBlob(named("team-a/app"), digest);
    expect(await registry.mountBlob(named("team-a/second"), digest)).toBeUndefined();
    const more = () => put(registry, named("team-a/web"), contentOf("w", 500));
    await expect(more()).rejects.toMatchObject({ code: "DENIED", detail: { used: 2900, limit: 3000 } });
    await registry.deleteBlob(named("team-a/app"), digest);
    await more();
  });
});
