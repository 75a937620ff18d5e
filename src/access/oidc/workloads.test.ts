import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { JWTPayload } from "jose";
import { makeAccessMetadata, type TemporaryMetadata } from "../../../tests/fixtures/access-metadata.ts";
import { type LocalIssuer, startIssuer } from "../../../tests/fixtures/issuers.ts";
import { parseRepositoryPattern } from "../../oci/repository-patterns.ts";
import { createIssuerKeys } from "./issuers.ts";
import { createWorkloads, findWorkloadRule, type WorkloadRule } from "./workloads.ts";

let issuer: LocalIssuer;
let other: LocalIssuer;
let metadata: TemporaryMetadata;
beforeAll(async () => {
  [issuer, other] = await Promise.all([startIssuer(), startIssuer()]);
});
afterAll(() => Promise.all([issuer.stop(), other.stop()]));
beforeEach(() => {
  metadata = makeAccessMetadata();
});
afterEach(() => metadata.remove());

const rule = (change: Partial<WorkloadRule> = {}): WorkloadRule => ({
  name: "github-main",
  issuer: issuer.url,
  audience: "berth",
  claims: { repository: "acme/app", ref: "refs/heads/*" },
  grants: [{ role: "writer", repositories: parseRepositoryPattern("acme/app") }],
  lifetimeMs: 3_600_000,
  ...change,
});
const claims = { repository: "acme/app", ref: "refs/heads/main", sub: "repo:acme/app:ref:refs/heads/main" };

async function makeWorkloads(...rules: WorkloadRule[]) {
  const workloads = createWorkloads({ rules, access: metadata.access, issuers: createIssuerKeys() });
  await workloads.prepare();
  return workloads;
}

describe("findWorkloadRule", () => {
  const found = (wanted: Record<string, string>, payload: JWTPayload) =>
    findWorkloadRule([rule({ claims: wanted })], { iss: issuer.url, aud: ["x", "berth"], ...payload }) !==
    undefined;

  test.each([
    ["refs/heads/main", "refs/heads/main", true],
    ["refs/heads/*", "refs/heads/main", true],
    ["refs/heads/*", "refs/heads/a/b", false],
    ["refs/heads/**", "refs/heads/a/b", true],
    ["repo:acme/*:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/main", true],
    ["repo:acme/*:ref:refs/heads/main", "repo:acme/app:pull_request:ref:refs/heads/main", false],
    ["acme.app", "acmeXapp", false],
    ["main", "mainly", false],
    ["main", "a\nmain", false],
  ])("findWorkloadRule compares %j with %j: %p", (wanted, claim, expected) => {
    expect(found({ sub: wanted }, { sub: claim })).toBe(expected);
  });

  test("findWorkloadRule wants every claim, of the right kind", () => {
    expect(found({ a: "1", b: "true" }, { a: 1, b: true })).toBe(true);
    expect(found({ a: "1", b: "true" }, { a: 1 })).toBe(false);
    expect(found({ a: "x" }, { a: ["x"] })).toBe(false);
    expect(found({ toString: "x" }, {})).toBe(false);
  });
});

describe("exchange", () => {
  test("exchange gives a token of the rule's account for a job's token, once", async () => {
    const workloads = await makeWorkloads(rule());
    const token = await issuer.sign(claims);
    const made = await workloads.exchange(token);
    expect(made.secret).toMatch(/^berth_job_/);
    expect(made.account).toMatchObject({ name: "github-main", kind: "workload" });
    const [stored] = await metadata.access.listTokens(made.account.id);
    expect(stored).toMatchObject({ id: made.id, name: claims.sub });
    await expect(workloads.exchange(token)).rejects.toThrow("used before");
    // Also by another worker.
    const again = createWorkloads({
      rules: [rule()],
      access: metadata.openAgain(),
      issuers: createIssuerKeys(),
    });
    await expect(again.exchange(token)).rejects.toThrow("used before");
  });

  test("exchange goes on when the issuer takes a new key, and refuses what a forgotten one signed", async () => {
    const workloads = await makeWorkloads(rule());
    const old = await issuer.sign({ ...claims, jti: "old" });
    await issuer.rotate(false);
    const fresh = createWorkloads({ rules: [rule()], access: metadata.access, issuers: createIssuerKeys() });
    await fresh.exchange(await issuer.sign({ ...claims, jti: "new" }));
    await workloads.exchange(old);
    const forgotten = await issuer.sign({ ...claims, jti: "x" });
    await issuer.rotate(true);
    const later = createWorkloads({ rules: [rule()], access: metadata.access, issuers: createIssuerKeys() });
    await expect(later.exchange(forgotten)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  });

  const now = Math.floor(Date.now() / 1000);
  test.each([
    ["another repository", { repository: "acme/other" }, "no rule lets in"],
    ["a claim that is missing", { ref: undefined }, "no rule lets in"],
    ["another audience", { aud: "elsewhere" }, "its aud is not what is expected"],
    ["an end in the past", { exp: now - 3600 }, "expired"],
    ["a beginning to come", { nbf: now + 3600 }, "nbf"],
    ["no end", { exp: undefined }, "exp"],
  ])("exchange refuses a token with %s", async (_, change, reason) => {
    const workloads = await makeWorkloads(rule());
    await expect(workloads.exchange(await issuer.sign({ ...claims, ...change }))).rejects.toThrow(reason);
  });

  test("exchange refuses tokens of others, forged and malformed ones", async () => {
    const workloads = await makeWorkloads(rule());
    await expect(workloads.exchange(await other.sign(claims))).rejects.toThrow("no rule is for its issuer");
    const forged = await other.sign({ ...claims, iss: issuer.url });
    await expect(workloads.exchange(forged)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    const [, payload] = (await issuer.sign(claims)).split(".");
    const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${payload}.`;
    for (const token of [none, "", "x", "a.b.c", `${forged}x`, "a".repeat(100_000)]) {
      await expect(workloads.exchange(token)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    }
  });

  test("exchange says that the issuer cannot be asked when it is away, or is somebody else", async () => {
    const renamed = await startIssuer("https://elsewhere.example");
    const workloads = await makeWorkloads(rule({ issuer: renamed.url }));
    const token = await renamed.sign(claims);
    await expect(workloads.exchange(token)).rejects.toThrow('it calls itself "https://elsewhere.example"');
    await renamed.stop();
    await expect(workloads.exchange(token)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});

describe("prepare", () => {
  test("prepare makes accounts and roles those of the rules", async () => {
    await makeWorkloads(rule(), rule({ name: "gitlab" }));
    await makeWorkloads(
      rule({ grants: [{ role: "reader", repositories: parseRepositoryPattern("acme/*") }] }),
    );
    expect(await metadata.access.findAccount("gitlab")).toBeUndefined();
    expect(await metadata.access.grantsFor("github-main", [])).toMatchObject([
      { role: "reader", repositories: "acme/*" },
    ]);
    await metadata.access.createAccount({ name: "alice", kind: "person", source: "local" });
    await expect(makeWorkloads(rule({ name: "alice" }))).rejects.toThrow("the name of another account");
  });
});
