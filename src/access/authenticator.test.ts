import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { makeAccessMetadata, type TemporaryMetadata } from "../../tests/fixtures/access-metadata.ts";
import { parseRepositoryPattern } from "../oci/repository-patterns.ts";
import { parseScopes } from "../oci/scopes.ts";
import type { AccessMetadata } from "../store/metadata/access.ts";
import { createAttemptLimiter } from "./attempts.ts";
import { createAuthenticator } from "./authenticator.ts";
import type { Caller } from "./identities.ts";
import { createLogins, type Login } from "./logins.ts";
import { createPasswordChecker, hashPassword } from "./passwords.ts";
import { decide } from "./permissions.ts";
import { makeSecret, secretHash } from "./secrets.ts";
import { createTokenSigner } from "./signing.ts";
import { createTokenService } from "./token-service.ts";

let metadata: TemporaryMetadata;
let clock: number;
const now = () => clock;
const password = "a horse and a battery";

beforeEach(async () => {
  clock = Date.now();
  metadata = makeAccessMetadata();
  const { access } = metadata;
  await access.createAccount({
    name: "alice",
    kind: "person",
    source: "local",
    password: await hashPassword(password),
  });
  await access.addGrant({
    subject: { kind: "account", name: "alice" },
    role: "writer",
    repositories: "gallery/*",
  });
});
afterEach(() => metadata.remove());

/** All that one worker process has. */
function makeWorker(access: AccessMetadata) {
  const signer = createTokenSigner({ keys: access, audience: "berth", now });
  const failed: string[] = [];
  const logins = createLogins({
    access,
    attempts: createAttemptLimiter(undefined, now),
    passwords: createPasswordChecker(),
    failed: (account = "somebody", _, reason) => void failed.push(`${account}: ${reason}`),
    now,
  });
  const told: string[] = [];
  const loggedIn = ({ account, credential }: Login, from: string) =>
    void told.push(`${account.name} ${credential?.id ?? "password"} ${from}`);
  const authenticator = createAuthenticator({ access, logins, signer, loggedIn, now });
  const ask = async (header: string | null, from = "10.0.0.1") =>
    authenticator.authenticate(header, () => from);
  return { access, logins, authenticator, ask, told, failed, issue: createTokenService(access, signer) };
}

const basic = (name: string, secret: string) =>
  `Basic ${Buffer.from(`${name}:${secret}`).toString("base64")}`;
const mayPush = ({ permissions }: Caller) => decide(permissions, "push", "gallery/app").allowed;

async function makeToken(access: AccessMetadata, limits?: string, expiresAt?: number): Promise<string> {
  const account = await access.findAccount("alice");
  const secret = makeSecret("person");
  await access.createCredential({
    id: "laptop",
    accountId: account?.id ?? 0,
    kind: "token",
    name: "laptop",
    hash: secretHash(secret),
    ...(limits === undefined ? {} : { limits }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  });
  return secret;
}

describe("authenticate", () => {
  test("authenticate gives the same caller for the same header until rights change", async () => {
    const { access, ask } = makeWorker(metadata.access);
    const header = basic("alice", password);
    const first = await ask(header);
    expect(first).toMatchObject({ identity: { kind: "person", name: "alice" }, credential: "password" });
    expect(await ask(header)).toBe(first);
    await access.removeGrant({
      subject: { kind: "account", name: "alice" },
      role: "writer",
      repositories: "gallery/*",
    });
    clock += 250;
    const later = await ask(header);
    expect([mayPush(first), mayPush(later)]).toEqual([true, false]);
  });

  test("authenticate sees within a quarter of a second what another worker took away", async () => {
    const worker = makeWorker(metadata.access);
    const other = makeWorker(metadata.openAgain());
    const secret = await makeToken(worker.access);
    expect(mayPush(await other.ask(`Bearer ${secret}`))).toBe(true);
    const alice = await worker.access.findAccount("alice");
    await worker.access.revokeCredential(alice?.id ?? 0, "laptop");
    clock += 250;
    await expect(other.ask(`Bearer ${secret}`)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  });

  test("authenticate takes a token as a password and as a bearer token, until it expires", async () => {
    const { access, ask, authenticator } = makeWorker(metadata.access);
    const secret = await makeToken(access, undefined, clock + 60_000);
    for (const header of [basic("alice", secret), basic("<token>", secret), `Bearer ${secret}`]) {
      expect((await ask(header)).credential).toBe("token laptop");
    }
    await expect(ask(basic("bob", secret))).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    await authenticator.flush();
    const alice = await access.findAccount("alice");
    expect((await access.listTokens(alice?.id ?? 0))[0]?.lastUsedAt).toBe(clock);
    clock += 60_000;
    for (const header of [basic("alice", secret), `Bearer ${secret}`]) {
      await expect(ask(header)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    }
  });

  test("authenticate tells once an hour who comes from where with what others log in with", async () => {
    const { access, ask, told, logins, issue } = makeWorker(metadata.access);
    const secret = await makeToken(access);
    for (const header of [basic("alice", password), basic("alice", secret), `Bearer ${secret}`])
      await ask(header);
    await access.addGrant({ subject: { kind: "public" }, role: "reader", repositories: "a" });
    clock += 250; // callers are made anew
    await ask(basic("alice", password));
    expect(told).toEqual(["alice password 10.0.0.1", "alice laptop 10.0.0.1"]);
    await access.removeGrant({ subject: { kind: "public" }, role: "reader", repositories: "a" });
    clock += 250;
    await ask(basic("alice", password), "10.0.0.2");
    clock += 60 * 60_000;
    await ask(basic("alice", password));
    expect(told.slice(2)).toEqual(["alice password 10.0.0.2", "alice password 10.0.0.1"]);
    await ask(null);
    const login = await logins.byPassword("alice", password, "10.0.0.1");
    const { token } = await issue({ login, scopes: [], offline: false, client: "docker" });
    await ask(`Bearer ${token}`);
    expect(told).toHaveLength(4);
  });

  test("authenticate limits a token to what it was made for, also in the short-lived tokens made from it", async () => {
    const { access, ask, logins, issue } = makeWorker(metadata.access);
    const limits = JSON.stringify([
      { repositories: parseRepositoryPattern("gallery/app"), actions: ["pull"] },
    ]);
    const secret = await makeToken(access, limits);
    expect(mayPush(await ask(`Bearer ${secret}`))).toBe(false);
    const login = await logins.byPassword("alice", secret, "10.0.0.1");
    const scopes = parseScopes("repository:gallery/app:pull,push repository:gallery/web:pull");
    const issued = await issue({ login, scopes, offline: true, client: "docker" });
    expect(issued.scopes).toEqual([{ resource: "repository:gallery/app", actions: ["pull"] }]);
    expect(issued.refreshToken).toBeUndefined();
    expect(mayPush(await ask(`Bearer ${issued.token}`))).toBe(false);
  });

  test.each(["changed password", "disabled account", "deleted account", "account made anew"])(
    "authenticate refuses what was made before: %s",
    async (change) => {
      const { access, ask, logins, issue } = makeWorker(metadata.access);
      const login = await logins.byPassword("alice", password, "10.0.0.1");
      const scopes = parseScopes("repository:gallery/app:pull,push");
      const { token, refreshToken = "" } = await issue({ login, scopes, offline: true, client: "docker" });
      expect(mayPush(await ask(`Bearer ${token}`))).toBe(true);
      expect((await logins.bySecret(refreshToken, "refresh")).account.name).toBe("alice");
      const hash = await hashPassword("another password");
      if (change === "changed password") await access.changeAccount("alice", { password: hash });
      else if (change === "disabled account") await access.changeAccount("alice", { disabled: true });
      else await access.deleteAccount("alice");
      if (change === "account made anew") {
        await access.createAccount({ name: "alice", kind: "person", source: "local", password: hash });
      }
      clock += 250;
      for (const header of [`Bearer ${token}`, basic("alice", password)]) {
        await expect(ask(header)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
      }
      await expect(logins.bySecret(refreshToken, "refresh")).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    },
  );

  test("authenticate gives the anonymous what the public has", async () => {
    const { access, ask } = makeWorker(metadata.access);
    await access.addGrant({ subject: { kind: "public" }, role: "reader", repositories: "public/**" });
    const caller = await ask(null);
    expect(decide(caller.permissions, "pull", "public/app").allowed).toBe(true);
    expect(decide(caller.permissions, "pull", "gallery/app").allowed).toBe(false);
  });

  test("authenticate gives the members of a group what the group has", async () => {
    const { access, ask } = makeWorker(metadata.access);
    await access.addGrant({
      subject: { kind: "group", name: "ops" },
      role: "administrator",
      repositories: "**",
    });
    expect(decide((await ask(basic("alice", password))).permissions, "delete", "x").allowed).toBe(false);
    await access.changeAccount("alice", { groups: ["ops"] });
    clock += 250;
    expect(decide((await ask(basic("alice", password))).permissions, "delete", "x").allowed).toBe(true);
  });

  test.each([
    "Basic",
    "Basic !!!",
    "Basic YWxpY2U=",
    "Digest x",
    "Bearer",
    "Bearer berth_pat_x",
    "x",
    "Bearer a b",
  ])("authenticate refuses the header %j", async (header) => {
    const { ask } = makeWorker(metadata.access);
    await expect(ask(header)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  });

  test("authenticate answers a wrong password and an unknown name alike, and then makes both wait", async () => {
    const { ask, failed } = makeWorker(metadata.access);
    const failures = await Promise.all(
      ["alice", "nobody"].map((name) => ask(basic(name, "wrong")).catch((error) => error.message)),
    );
    expect(failures[0]).toBe(failures[1]);
    const more = Array.from({ length: 10 }, (_, at) =>
      ask(basic("nobody", `wrong ${at}`)).catch((error) => error),
    );
    const codes = (await Promise.all(more)).map((error) => error.code);
    expect(codes).toContain("TOOMANYREQUESTS");
    expect(failed.slice(0, 2).sort()).toEqual(["alice: a wrong password", "somebody: a wrong password"]);
    expect(failed).toContain("somebody: too many wrong passwords before");
    expect(failed).toHaveLength(12);
    expect((await ask(basic("alice", password))).identity).toMatchObject({ name: "alice" });
  });
});
