import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parseRepositoryName, parseTag, type RepositoryName } from "../oci/names.ts";
import { parseRepositoryPattern } from "../oci/repository-patterns.ts";
import { createMemoryRegistry } from "../registry/memory.ts";
import type { Registry } from "../registry/registry.ts";
import { openStore, type Store } from "../store/store.ts";
import { createGuard } from "./guard.ts";
import { guardRegistry } from "./guarded-registry.ts";
import { decide, type Grant } from "./permissions.ts";

function guarded(inner: Registry, grants: readonly Grant[]): Registry {
  const permissions = { grants };
  const guard = createGuard({
    identity: { kind: "person", name: "wanda" },
    permissions,
    credential: "password",
  });
  return guardRegistry(inner, guard, permissions);
}
const grant = (role: Grant["role"], repositories: string): Grant => ({
  role,
  repositories: parseRepositoryPattern(repositories),
});
const index = (label: string) => ({
  bytes: new TextEncoder().encode(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: [],
      annotations: { label },
    }),
  ),
  mediaType: "",
});

describe("guardRegistry", () => {
  let folder: string;
  let store: Store;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "berth-guard-"));
    store = await openStore({ folder });
  });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });

  test.each(["memory", "store"])(
    "putManifest of a writer never moves a tag when many push it at once to %s",
    async (kind) => {
      const inner = kind === "memory" ? createMemoryRegistry() : store.registry;
      const writer = guarded(inner, [grant("writer", "gallery/*")]);
      const repository = parseRepositoryName(`gallery/${kind}`);
      const tag = parseTag("1.0");
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, at) =>
          writer.putManifest(repository, { ...index(`${at}`), tags: [tag] }),
        ),
      );
      const pushed = outcomes.flatMap((one) =>
        one.status === "fulfilled" ? [one.value.descriptor.digest] : [],
      );
      expect(pushed).toHaveLength(1);
      expect((await writer.resolveTag(repository, tag)).digest).toBe(String(pushed[0]) as never);
      // The same again is no move.
      const first = outcomes.findIndex((one) => one.status === "fulfilled");
      await writer.putManifest(repository, { ...index(`${first}`), tags: [tag] });
      const maintainer = guarded(inner, [grant("maintainer", "gallery/*")]);
      await maintainer.putManifest(repository, { ...index("moved"), tags: [tag] });
    },
  );

  test("listRepositories pages through just what may be pulled, whatever the grants and pages", async () => {
    const inner = createMemoryRegistry();
    const names = [
      "a",
      "a/b",
      "a/b/c",
      "ab",
      "b",
      "b/a",
      "gallery",
      "gallery/a",
      "gallery/b",
      "galley",
      "team-a/x",
      "team-b/x",
      "z",
    ];
    for (const name of names)
      await inner.putManifest(parseRepositoryName(name), { ...index(name), tags: [] });
    const patterns = fc.constantFrom(
      "**",
      "a/**",
      "a",
      "ab",
      "gallery/*",
      "gallery/**",
      "team-*/x",
      "*",
      "**/a",
      "b/a",
      "z/**",
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(patterns, { maxLength: 4 }),
        fc.integer({ min: 1, max: 5 }),
        async (given, limit) => {
          const grants = given.map((pattern) => grant("reader", pattern));
          const registry = guarded(inner, grants);
          const found: RepositoryName[] = [];
          let after: string | undefined;
          do {
            const page = await registry.listRepositories({
              limit,
              ...(after === undefined ? {} : { after }),
            });
            expect(page.items.length).toBeLessThanOrEqual(limit);
            found.push(...page.items);
            after = page.next;
            if (after !== undefined) expect(decide({ grants }, "pull", after).allowed).toBe(true);
          } while (after !== undefined);
          expect(found).toEqual(
            names.filter((name) => decide({ grants }, "pull", name).allowed).map(parseRepositoryName),
          );
        },
      ),
      { numRuns: 300 },
    );
  });
});
