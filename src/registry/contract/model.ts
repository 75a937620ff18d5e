import { describe, expect } from "bun:test";
import fc from "fast-check";
import { createMemoryRegistry } from "../memory.ts";
import type { Registry } from "../registry.ts";
import type { Contract } from "./contract.ts";
import { anyOperation, type Operation } from "./operations.ts";
import { createPlayer, overview, prepare } from "./player.ts";

const someOperations = fc.array(anyOperation, { minLength: 5, maxLength: 60, size: "max" });

/** Any order of operations does the same as in memory. */
export function describeModel({ testWith, runs, isRemote }: Contract): void {
  const seen = isRemote ? withPlainMounts : (registry: Registry) => registry;
  // Over HTTP nobody knows how much was kept of a body that ended early.
  const isCertain = (operation: Operation): boolean =>
    !(isRemote && operation.kind === "appendUpload" && operation.short);
  describe("any operations", () => {
    testWith("a registry answers as the one in memory does when anything is done in any order", (use) =>
      fc.assert(
        fc.asyncProperty(fc.boolean(), someOperations, (prepared, operations) =>
          use((registry) =>
            compare(seen(registry), seen(createMemoryRegistry()), operations.filter(isCertain), prepared),
          ),
        ),
        { numRuns: runs },
      ),
    );
  });
}

async function compare(
  registry: Registry,
  memory: Registry,
  operations: readonly Operation[],
  prepared: boolean,
): Promise<void> {
  const [expected, actual] = [createPlayer(memory), createPlayer(registry)];
  if (prepared) for (const player of [expected, actual]) await prepare(player);
  for (const operation of operations) {
    const wanted = await expected.play(operation);
    expect([operation, await actual.play(operation)]).toEqual([operation, wanted]);
  }
  await expected.end();
  await actual.end();
  expect(await overview(registry)).toEqual(await overview(memory));
}

function withPlainMounts(registry: Registry): Registry {
  const mountBlob: Registry["mountBlob"] = (repository, digest, { from } = {}) =>
    registry.mountBlob(repository, digest, from === undefined ? {} : { from });
  return { ...registry, mountBlob };
}
