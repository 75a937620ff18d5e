import { describe, expect, test } from "bun:test";
import type { RegistryName } from "../../oci/references.ts";
import { openMachine } from "../setup/machine.ts";
import { type Check, examine, type Facts } from "./checks.ts";

const facts: Facts = {
  registry: "registry.local:5000" as RegistryName,
  host: "registry.local",
  port: 5000,
  machine: openMachine("/nowhere"),
  configFolder: undefined,
  repository: undefined,
  isRepositoryGiven: false,
  login: undefined,
  open: () => {
    throw new Error("nothing is opened");
  },
  signal: new AbortController().signal,
};
const check = (name: string, needs: string[], run: Check["run"]): Check => ({ name, needs, run });

describe("examine", () => {
  test("examine hands on what was found, and does not try what something wrong stands before", async () => {
    const findings = await examine(
      [
        check("a", [], () => ({ state: "fine", says: "1", facts: { addresses: ["10.0.0.1"] } })),
        check("b", ["a"], ({ addresses }) => ({ state: "wrong", says: String(addresses), mend: "x" })),
        check("c", ["b"], () => ({ state: "fine", says: "never" })),
        check("d", ["c"], () => ({ state: "fine", says: "never" })),
        check("e", ["a"], () => {
          throw new Error("it broke");
        }),
      ],
      facts,
    );
    expect(findings).toEqual([
      { check: "a", state: "fine", says: "1" },
      { check: "b", state: "wrong", says: "10.0.0.1", mend: "x" },
      { check: "c", state: "untried", says: "not before b is fine" },
      { check: "d", state: "untried", says: "not before c is fine" },
      { check: "e", state: "wrong", says: "it broke" },
    ]);
  });

  test("examine ends when it is told to", async () => {
    const stop = new AbortController();
    stop.abort(new Error("enough"));
    await expect(
      examine([check("a", [], () => ({ state: "fine", says: "" }))], { ...facts, signal: stop.signal }),
    ).rejects.toThrow("enough");
  });
});
