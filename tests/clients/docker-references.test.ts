import { expect, setDefaultTimeout, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { isRegistryError } from "../../src/oci/errors.ts";
import { formatReference, parseReference, type Reference, withDefaultTag } from "../../src/oci/references.ts";
import { forEachBounded } from "../../src/registry/concurrency.ts";
import { startDockerEngine } from "../fixtures/docker-engine.ts";
import { writeBuildContext } from "../fixtures/images.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { typedReferences } from "../fixtures/references.ts";
import { isAvailable } from "../programs.ts";

setDefaultTimeout(120_000);

// What docker takes for a name without any registry, which it then cannot pull.
const refusedHere = /^[^/]*_[^/]*\/|^-/;

function parsedOrNothing(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (isRegistryError(error)) return undefined;
    throw error;
  }
}

/** Docker's short form, also where it would be read as something else. */
const asDockerShows = (canonical: string) => canonical.replace(/^docker\.io\/(?:library\/(?=[^/]*$))?/, "");

/** For `docker tag`, which takes no digests. */
function typedNames(): readonly string[] {
  const typed = fc.sample(typedReferences, { numRuns: 600, seed: 28 });
  return [...new Set(typed)].filter((name) => !name.includes("@") && !refusedHere.test(name)).slice(0, 120);
}

async function testNames(): Promise<void> {
  const [folder, engine] = await Promise.all([
    makeTemporaryFolder(),
    startDockerEngine({ newer: "graph driver" }), // older ones know no registry by its capitals
  ]);
  try {
    const context = await writeBuildContext({ folder: join(folder, "names"), seed: "names", layers: [1] });
    await engine.docker("build", "--quiet", "--tag", "names", context);
    const names = typedNames();
    const accepted: string[] = [];
    await forEachBounded(names, 4, async (name) => {
      if ((await engine.attemptDocker("tag", "names", name)).exitCode === 0) accepted.push(name);
    });
    const shown = await engine.docker("image", "inspect", "--format", "{{json .RepoTags}}", "names");
    const parsed = names.flatMap((name) => {
      const reference = parsedOrNothing(name);
      return reference ? [{ name, shown: asDockerShows(formatReference(withDefaultTag(reference))) }] : [];
    });
    expect(accepted.sort()).toEqual(parsed.map(({ name }) => name).sort());
    expect(JSON.parse(shown).sort()).toEqual(
      [...new Set(["names:latest", ...parsed.map((each) => each.shown)])].sort(),
    );
    expect(parsed.length).toBeGreaterThan(10);
    expect(parsed.length).toBeLessThan(names.length - 10);
  } finally {
    await engine.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

// Not in Debian's stable release, so nobody is asked to have it.
if (isAvailable("newer-dockerd", "docker"))
  test(
    "docker takes just the names that Berth takes, and shows them alike, when they are generated",
    testNames,
  );
