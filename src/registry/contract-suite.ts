import { describe, expect, test } from "bun:test";
import { describeBlobs } from "./contract/blobs.ts";
import { describeBreaks } from "./contract/breaks.ts";
import { describeConcurrency } from "./contract/concurrency.ts";
import { type ContractOptions, createContract, type RegistryFactory } from "./contract/contract.ts";
import { describeManifests } from "./contract/manifests.ts";
import { describeModel } from "./contract/model.ts";
import { describeMounts } from "./contract/mounts.ts";
import { describeReferrers } from "./contract/referrers.ts";
import { describeRepositories } from "./contract/repositories.ts";
import { describeTags } from "./contract/tags.ts";
import { describeUploads } from "./contract/uploads.ts";

export type { ContractOptions, RegistryFactory, RegistryUnderTest } from "./contract/contract.ts";

/**
 * States the tests that every implementation of `Registry` passes, with bun:test. Each test has a registry of its own.
 * @param name what is tested
 * @param factory makes an empty registry; its `dispose` rejects when the test left something behind
 */
export function describeRegistryContract(
  name: string,
  factory: RegistryFactory,
  options: ContractOptions = {},
): void {
  describe(`${name} keeps the contract of Registry`, () => {
    const contract = createContract(factory, options);
    describeBlobs(contract);
    describeMounts(contract);
    describeUploads(contract);
    describeManifests(contract);
    describeTags(contract);
    describeReferrers(contract);
    describeRepositories(contract);
    describeConcurrency(contract);
    describeBreaks(contract);
    describeModel(contract);
    test("the suite has every test that is left out", () => {
      const unknown = Object.keys(options.except ?? {}).filter((left) => !contract.names.has(left));
      expect(unknown).toEqual([]);
    });
  });
}
