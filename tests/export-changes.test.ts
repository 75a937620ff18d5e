import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import type { Digest } from "../src/oci/digests.ts";
import { isRegistryError } from "../src/oci/errors.ts";
import { parseRepositoryName, parseTag, type RepositoryName } from "../src/oci/names.ts";
import { bytesFor, pushImage, pushIndex, tags } from "../src/registry/contract/fixtures.ts";
import { isFound } from "../src/registry/copy/run.ts";
import { openStore, type Store } from "../src/store/store.ts";
import { runBerth } from "./fixtures/command-lines.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";

setDefaultTimeout(30_000);

let folder: string;
beforeAll(async () => {
  folder = await makeTemporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

const repositories = ["team/one", "team/two"].map(parseRepositoryName);
const tagNames = ["1", "2", "latest"].map(parseTag);

const at = fc.constantFrom(...repositories);
const tag = fc.constantFrom(...tagNames);
const which = fc.nat({ max: 7 });
/** Something that happens to a registry. `which` is a manifest by the order in which they came. */
const step = fc.oneof(
  fc.record({ kind: fc.constant("push"), at, tag, which }),
  fc.record({ kind: fc.constant("push index"), at, tag, which }),
  fc.record({ kind: fc.constant("refer"), at, tag, which }),
  fc.record({ kind: fc.constant("move"), at, tag, which }),
  fc.record({ kind: fc.constant("delete tag"), at, tag, which }),
  fc.record({ kind: fc.constant("delete manifest"), at, tag, which }),
  fc.record({ kind: fc.constant("undelete"), at, tag, which }),
  fc.record({ kind: fc.constant("export"), at, tag, which }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What cannot be done at the moment is left out. */
async function act(
  { registry, metadata }: Store,
  made: Map<RepositoryName, Digest[]>,
  step: Step,
): Promise<void> {
  const { at, tag, which } = step;
  const known = made.get(at) ?? [];
  made.set(at, known);
  const digest = known[which % Math.max(1, known.length)];
  const add = (pushed: { readonly descriptor: { readonly digest: Digest } }) => {
    if (!known.includes(pushed.descriptor.digest)) known.push(pushed.descriptor.digest);
  };
  const layers = [bytesFor(1, 20_000), bytesFor(which + 2, 20_000)];
  const there = digest && (await registry.resolveManifest(at, digest).catch(() => undefined));
  switch (step.kind) {
    case "push":
      return add(await pushImage(registry, at, { layers, config: { which }, tags: [tag] }));
    case "push index":
      if (there) add(await pushIndex(registry, at, [there], { tags: [tag] }));
      return;
    case "refer":
      if (there) add(await pushImage(registry, at, { layers: [bytesFor(50 + which)], subject: there }));
      return;
    case "move":
      if (there) await metadata.changeTags(at, { kind: "move", tag, to: there.digest }, { actor: "test" });
      return;
    case "delete tag":
      return registry.deleteTag(at, tag);
    case "delete manifest":
      return digest && registry.deleteManifest(at, digest);
    case "undelete":
      await metadata.changeTags(at, { kind: "undelete", tag }, { actor: "test" });
  }
}

/** All that people see of a repository. */
async function stateOf({ registry, metadata }: Store, at: RepositoryName, digests: readonly Digest[]) {
  if (!(await metadata.hasRepository(at))) return { tags: [], past: tagNames.map(() => []), referrers: [] };
  const points = (await registry.listTags(at)).items.map(async (name) => [
    name,
    (await registry.resolveTag(at, name)).digest,
  ]);
  const past = tagNames.map(async (name) => {
    const periods = await metadata.listTagPeriods(at, name, { skip: 0, limit: 1000 });
    return periods.map(({ digest, from, until, cause }) => ({ digest, from, until, cause }));
  });
  const referrers = digests.map(async (each) => (await registry.listReferrers(at, each)).items);
  return {
    tags: await Promise.all(points),
    past: await Promise.all(past),
    referrers: (await Promise.all(referrers)).flat().map(({ digest }) => digest),
  };
}

/** Manifests that are there, or that a tag has pointed at: of others nobody can know. */
async function findable({ registry, metadata }: Store, at: RepositoryName, digests: readonly Digest[]) {
  const past = new Set<Digest>();
  for (const name of (await metadata.hasRepository(at)) ? tagNames : []) {
    const periods = await metadata.listTagPeriods(at, name, { skip: 0, limit: 1000 });
    for (const { digest } of periods) past.add(digest);
  }
  const isThere = await Promise.all(
    digests.map(async (digest) => past.has(digest) || (await isFound(registry.resolveManifest(at, digest)))),
  );
  return digests.filter((_, index) => isThere[index]);
}

async function run(...args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await runBerth([...args, "--json"], { cwd: folder });
  expect([args, exitCode, stderr]).toEqual([args, 0, ""]);
}

test("what changed since an archive, again and again, makes another data folder the same as the one it is from", () =>
  fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
      const own = await mkdtemp(join(folder, "run-"));
      const [from, to] = [join(own, "from"), join(own, "to")];
      const source = await openStore({ folder: from });
      const target = await openStore({ folder: to });
      try {
        await pushImage(source.registry, repositories[0] ?? parseRepositoryName("x"), {
          tags: tags("first"),
        });
        const made = new Map<RepositoryName, Digest[]>();
        let archives = 0;
        for (const each of [...steps, { kind: "export", at: repositories[0], tag: tagNames[0] }] as Step[]) {
          if (each.kind !== "export") {
            await act(source, made, each).catch((error) => {
              if (!isRegistryError(error)) throw error;
            });
            continue;
          }
          const archive = join(own, `${++archives}.tar`);
          const since = archives === 1 ? [] : ["--since", join(own, `${archives - 1}.tar`)];
          await run("export", "team/**", "--data", from, "-o", archive, ...since);
          await run("import", archive, "--data", to);
          for (const at of repositories) {
            const digests = await findable(source, at, made.get(at) ?? []);
            const isLeft = (await source.registry.listRepositories()).items.includes(at);
            // Of what was there between two archives and is not any more, none of them tells.
            if (!isLeft && !(await target.metadata.hasRepository(at))) continue;
            expect(await stateOf(target, at, digests)).toEqual(await stateOf(source, at, digests));
            for (const digest of digests) {
              // What no tag ever led to stays where it was.
              if (!(await isFound(target.registry.resolveManifest(at, digest)))) continue;
              expect([digest, await isFound(source.registry.resolveManifest(at, digest))]).toEqual([
                digest,
                true,
              ]);
            }
          }
        }
      } finally {
        await source.close();
        await target.close();
        await rm(own, { recursive: true });
      }
    }),
    { numRuns: 8 },
  ));
