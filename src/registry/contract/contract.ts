import { test } from "bun:test";
import type { Registry } from "../registry.ts";

/** A registry that is tested, and how to get rid of it. */
export interface RegistryUnderTest {
  readonly registry: Registry;
  /** Rejects when the test left something: open upload sessions, files, requests. */
  dispose(): Promise<void> | void;
}

/** Makes an empty registry. */
export type RegistryFactory = () => Promise<RegistryUnderTest> | RegistryUnderTest;

/** Options of the contract suite. */
export interface ContractOptions {
  /** Tests that an implementation cannot pass, by their names, with the reason. An unknown name is an error. */
  readonly except?: Readonly<Record<string, string>>;
  /**
   * Whether it is reached over HTTP: of a body that breaks off, bytes can be lost on the way, and a mount has no
   * conditions.
   */
  readonly isRemote?: boolean;
  /** How many runs a property test makes, each with a registry of its own; 30 if absent. */
  readonly runs?: number;
}

/** How the parts of the suite state their tests. */
export interface Contract {
  readonly runs: number;
  readonly isRemote: boolean;
  /** The names of all tests that were stated, those that are left out too. */
  readonly names: ReadonlySet<string>;
  /** Runs over a fresh registry. */
  test(name: string, run: (registry: Registry) => Promise<void>): void;
  /** A test that makes its registries itself. */
  testWith(name: string, run: (use: UseRegistry) => Promise<void>): void;
}

/** Makes a registry, does something with it and disposes of it. */
export type UseRegistry = (run: (registry: Registry) => Promise<void>) => Promise<void>;

const timeoutMs = 120_000;

/** Binds the statement of tests to an implementation. */
export function createContract(
  factory: RegistryFactory,
  { except = {}, isRemote = false, runs = 30 }: ContractOptions,
): Contract {
  const use: UseRegistry = async (run) => {
    const { registry, dispose } = await factory();
    try {
      await run(registry);
    } catch (error) {
      await Promise.resolve(dispose()).catch(() => {}); // what the test found says more
      throw error;
    }
    await dispose();
  };
  const names = new Set<string>();
  const testWith: Contract["testWith"] = (name, run) => {
    names.add(name);
    if (name in except) return;
    test(name, () => run(use), timeoutMs);
  };
  return { runs, isRemote, names, testWith, test: (name, run) => testWith(name, () => use(run)) };
}
