import { describe, expect, test } from "bun:test";
import { parseDigest } from "../oci/digests.ts";
import { parseRepositoryName } from "../oci/names.ts";
import { createMemoryRegistry } from "../registry/memory.ts";
import type { Caller } from "./identities.ts";
import { createRequestLimits, type RequestLimit } from "./request-limits.ts";

const caller = (name: string, groups: readonly string[] = []): Caller => ({
  identity: name === "anonymous" ? { kind: "anonymous" } : { kind: "person", name, groups },
  permissions: { grants: [] },
  credential: "password",
});

function makeLimits(limits: readonly RequestLimit[], processes = 1) {
  const clock = { now: 0 };
  const made = createRequestLimits(limits, processes, () => clock.now);
  const of = (who: Caller, address = "10.0.0.1") => {
    const allowance = made.of(who, address);
    if (!allowance) throw new Error("no limit");
    return allowance;
  };
  const pulls = (who: Caller, address?: string) => {
    let count = 0;
    try {
      for (; count < 1000; count++) of(who, address).takePull();
    } catch {
      return count;
    }
    return count;
  };
  return { clock, made, of, pulls };
}

describe("createRequestLimits", () => {
  test("of gives the first limit that names the caller, and none to others", () => {
    const { made, pulls } = makeLimits([
      { who: ["ci"], pullsPerMinute: 5 },
      { who: ["group:ops"], pullsPerMinute: 7 },
      { who: ["anonymous"], pullsPerMinute: 3 },
    ]);
    expect(pulls(caller("ci", ["ops"]))).toBe(5);
    expect(pulls(caller("alice", ["ops"]))).toBe(7);
    expect(made.of(caller("bob"), "10.0.0.1")).toBeUndefined();
    expect([pulls(caller("anonymous"), "10.0.0.1"), pulls(caller("anonymous"), "10.0.0.2")]).toEqual([3, 3]);
  });

  test("takePull allows again as time passes, and says when", () => {
    const { clock, of, pulls } = makeLimits([{ who: ["*"], pullsPerMinute: 6 }]);
    expect(pulls(caller("ci"))).toBe(6);
    expect(() => of(caller("ci")).takePull()).toThrow(
      "the limit here is 6 pulls a minute: try again in 10 seconds",
    );
    clock.now += 20_000;
    expect(pulls(caller("ci"))).toBe(2);
    clock.now += 3_600_000;
    expect(pulls(caller("ci"))).toBe(6);
  });

  test("several processes together allow no more than is set", () => {
    const shares = [1, 2, 3, 4].map(() =>
      makeLimits([{ who: ["*"], pullsPerMinute: 8 }], 4).pulls(caller("ci")),
    );
    expect(shares).toEqual([2, 2, 2, 2]);
  });

  test("checkBytes refuses when what went before is over the limit", () => {
    const { clock, of } = makeLimits([{ who: ["*"], bytesPerHour: 3600 }]);
    of(caller("ci")).checkBytes();
    of(caller("ci")).countBytes(5000);
    expect(() => of(caller("ci")).checkBytes()).toThrow("3600 bytes an hour");
    clock.now += 1_500_000;
    of(caller("ci")).checkBytes();
  });

  test("limitUploads refuses a session more than may be open, until one ends", async () => {
    const { of } = makeLimits([{ who: ["*"], openUploads: 2 }]);
    const inner = createMemoryRegistry();
    const name = parseRepositoryName("a");
    const registry = () => of(caller("ci")).limitUploads(inner);
    const first = await registry().startUpload(name);
    const second = await registry().startUpload(name);
    await expect(registry().startUpload(name)).rejects.toMatchObject({ code: "TOOMANYREQUESTS" });
    await of(caller("other")).limitUploads(inner).startUpload(name);
    await registry().cancelUpload(name, first.id);
    await registry().startUpload(name);
    const empty = parseDigest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    await registry().finishUpload(name, second.id, empty);
    await registry().startUpload(name);
  });
});
