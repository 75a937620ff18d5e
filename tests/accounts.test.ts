import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BerthWithAccounts, basic, passwordOf, startBerthWithAccounts } from "./fixtures/accounts.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { pushImage } from "./fixtures/pushes.ts";

let berth: BerthWithAccounts;
let alice: string;
let robot: string;

beforeAll(async () => {
  berth = await startBerthWithAccounts({ args: ["--workers", "2"] });
  alice = await berth.addPerson("alice", "writer", "gallery/*");
  robot = await berth.addRobot("ci", "reader", "gallery/*");
}, 60_000);
afterAll(() => berth?.stop());

const ask = (path: string, authorization?: string, init: RequestInit = {}) =>
  fetch(`${berth.url}${path}`, { ...init, headers: authorization ? { authorization } : {} });
const statusOf = async (path: string, authorization?: string, init?: RequestInit) =>
  (await ask(path, authorization, init)).status;

/** Waits until a request is answered so by every worker. How soon that has to be, the authenticator's own test says. */
async function answersAlways(status: number, path: string, authorization: string): Promise<void> {
  const started = performance.now();
  let inARow = 0;
  while (inARow < 20) {
    // Each on a connection of its own, so that both workers are asked.
    const answer = await fetch(`${berth.url}${path}`, { headers: { authorization, connection: "close" } });
    inARow = answer.status === status ? inARow + 1 : 0;
    if (performance.now() - started > 10_000) throw new Error(`still answers ${answer.status}`);
  }
}

describe("the token service", () => {
  const tokenFor = async (query: string, authorization?: string) =>
    (await (await ask(`/token?${query}`, authorization)).json()) as {
      token: string;
      scope: string;
      refresh_token?: string;
    };

  test("GET gives what may be had of several scopes", async () => {
    const scopes = ["gallery/app:pull,push,delete", "secret/app:pull"].map(
      (scope) => `scope=repository:${scope}`,
    );
    const { scope, refresh_token } = await tokenFor(`service=berth&${scopes.join("&")}`, alice);
    expect(scope).toBe("repository:gallery/app:pull,push");
    expect(refresh_token).toBeUndefined();
    expect((await tokenFor(scopes.join("&"))).scope).toBe("");
  });

  test("a token opens what it was made for, and asks for another elsewhere", async () => {
    const { token } = await tokenFor("scope=repository:gallery/app:pull", alice);
    expect(await statusOf("/v2/gallery/app/tags/list", `Bearer ${token}`)).toBe(404);
    const answer = await ask("/v2/gallery/web/tags/list", `Bearer ${token}`);
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toContain(
      'scope="repository:gallery/web:pull",error="insufficient_scope"',
    );
    expect(await statusOf("/api/v1/whoami", `Bearer ${token}`)).toBe(401);
  });

  test("POST takes a password and then its refresh token", async () => {
    const post = async (form: Record<string, string>) => {
      const answer = await fetch(`${berth.url}/token`, { method: "POST", body: new URLSearchParams(form) });
      return { status: answer.status, body: (await answer.json()) as Record<string, string> };
    };
    const first = await post({
      grant_type: "password",
      username: "alice",
      password: passwordOf("alice"),
      access_type: "offline",
      client_id: "docker",
      service: "berth",
    });
    expect(first.body.refresh_token).toStartWith("berth_refresh_");
    const second = await post({
      grant_type: "refresh_token",
      refresh_token: first.body.refresh_token ?? "",
      scope: "repository:gallery/app:pull repository:gallery/web:push",
    });
    expect(second.body.scope).toBe("repository:gallery/app:pull repository:gallery/web:push");
    expect(await statusOf("/v2/gallery/app/tags/list", `Bearer ${second.body.access_token}`)).toBe(404);
    expect(await statusOf("/v2/", `Bearer ${first.body.refresh_token}`)).toBe(401);
    for (const wrong of [
      { grant_type: "refresh_token", refresh_token: "x" },
      { grant_type: "client_credentials" },
    ]) {
      expect((await post(wrong)).status).toBeGreaterThanOrEqual(400);
    }
  });

  test("a challenge names the address that the client used, or that a proxy says", async () => {
    const realmOf = async (headers: Record<string, string>) =>
      (await fetch(`${berth.url}/v2/`, { headers })).headers
        .get("www-authenticate")
        ?.match(/realm="([^"]*)"/)?.[1] ?? "";
    expect(await realmOf({})).toBe(`${berth.url}/token`);
    expect(await realmOf({ host: "registry.example:8443", "x-forwarded-proto": "https" })).toBe(
      "https://registry.example:8443/token",
    );
    expect(await realmOf({ host: 'evil",x="' })).not.toContain("evil");
  });
});

describe("rights", () => {
  test("a robot that may only pull can only pull", async () => {
    for (const authorization of [basic("ci", robot), `Bearer ${robot}`]) {
      expect(await statusOf("/v2/gallery/app/tags/list", authorization)).toBe(404);
      const denied = await ask("/v2/gallery/app/blobs/uploads/", authorization, { method: "POST" });
      expect(denied.status).toBe(403);
      expect(await denied.text()).toContain(
        "ci may not push to gallery/app: that needs the role writer there",
      );
    }
  });

  test("a change of rights acts in every worker", async () => {
    await berth.addPerson("carol");
    const made = (await berth.manage("POST", "/accounts/carol/tokens", { name: "x" })) as { secret: string };
    const carol = `Bearer ${made.secret}`;
    const path = "/v2/later/app/blobs/uploads/x";
    await answersAlways(403, path, carol);
    await berth.grant("carol", "writer", "later/**");
    await answersAlways(404, path, carol);
    await berth.manage("DELETE", "/grants?subject=carol&role=writer&repositories=later/**");
    await answersAlways(403, path, carol);
    await berth.manage("PUT", "/accounts/carol", { disabled: true });
    await answersAlways(401, path, carol);
  });

  test("a reader of events is told of nothing that it may no longer see, while it reads", async () => {
    const nora = await berth.addPerson("nora", "reader", "events/**");
    const cancel = new AbortController();
    const stream = await fetch(`${berth.url}/api/v1/events`, {
      headers: { authorization: nora },
      signal: cancel.signal,
    });
    let text = "";
    const reader = (stream.body as ReadableStream<Uint8Array>).getReader(); // an answer 200 has a body
    const until = async (part: string) => {
      while (!text.includes(part)) {
        const { done, value } = await reader.read();
        if (done) throw new Error(`the events ended before ${part} came: ${text}`);
        text += new TextDecoder().decode(value);
      }
    };
    await until("retry:");
    await pushImage(berth.url, "events/seen", "1", [], berth.admin);
    await until("events/seen");
    await berth.manage("DELETE", "/grants?subject=nora&role=reader&repositories=events/**");
    await answersAlways(404, "/v2/events/seen/manifests/1", nora);
    await pushImage(berth.url, "events/hidden", "1", [], berth.admin);
    await berth.grant("nora", "reader", "later/*");
    await pushImage(berth.url, "later/app", "1", [], berth.admin);
    await until("later/app");
    expect(text).not.toContain("events/hidden");
    cancel.abort();
  });

  test("a revoked token ends in every worker", async () => {
    const made = (await berth.manage("POST", "/accounts/ci/tokens", { name: "short" })) as {
      id: string;
      secret: string;
    };
    await answersAlways(200, "/v2/", `Bearer ${made.secret}`);
    await berth.manage("DELETE", `/accounts/ci/tokens/${made.id}`);
    await answersAlways(401, "/v2/", `Bearer ${made.secret}`);
  });

  test("metrics that everybody may read name no repositories", async () => {
    const folder = await makeTemporaryFolder();
    const config = join(folder, "berth.yaml");
    await writeFile(config, "access: { public-metrics: true }");
    const open = await startBerthWithAccounts({ args: ["--config", config] });
    try {
      await pushImage(open.url, "hidden/app", "1", [100], open.admin);
      const answer = await fetch(`${open.url}/metrics`);
      expect(answer.status).toBe(200);
      const text = await answer.text();
      expect(text).toContain("berth_store_repositories 1\n");
      expect(text).not.toContain("hidden");
    } finally {
      await open.stop();
      await rm(folder, { recursive: true });
    }
    expect(await statusOf("/metrics")).toBe(401);
  });

  test("the catalog shows what may be pulled", async () => {
    expect(await statusOf("/v2/_catalog")).toBe(401);
    expect(await (await ask("/v2/_catalog", alice)).json()).toEqual({ repositories: [] });
  });
});

describe("the management API", () => {
  test("people change their own password and tokens, and nobody else's", async () => {
    const dave = await berth.addPerson("dave", "reader", "gallery/*");
    const own = (method: string, path: string, body?: object) => berth.manage(method, path, body, dave);
    const made = (await own("POST", "/accounts/dave/tokens", {
      name: "laptop",
      limits: [{ repositories: "gallery/app", actions: ["pull"] }],
    })) as { id: string; secret: string };
    expect(await own("GET", "/accounts/dave/tokens")).toMatchObject({
      tokens: [{ id: made.id, name: "laptop" }],
    });
    const limited = `Bearer ${made.secret}`;
    expect(await berth.manage("GET", "/whoami", undefined, limited)).toMatchObject({
      name: "dave",
      limits: [{ repositories: "gallery/app", actions: ["pull"] }],
    });
    // A limited token cannot make itself a better one.
    const escalate = () => berth.manage("POST", "/accounts/dave/tokens", { name: "all" }, limited);
    await expect(escalate()).rejects.toThrow("403");
    await expect(own("POST", "/accounts/alice/tokens", { name: "x" })).rejects.toThrow("403");
    await expect(own("GET", "/accounts")).rejects.toThrow("403");
    await expect(
      own("POST", "/grants", { subject: "dave", role: "administrator", repositories: "**" }),
    ).rejects.toThrow("403");
    await expect(own("PUT", "/accounts/dave/password", { password: "another one" })).rejects.toThrow("401");
    await own("PUT", "/accounts/dave/password", { password: "another one", current: passwordOf("dave") });
    expect(await statusOf("/v2/", basic("dave", "another one"))).toBe(200);
  });

  test("an administrator of some repositories gives roles there alone", async () => {
    const erin = await berth.addPerson("erin", "administrator", "team-a/**");
    const give = (repositories: string) =>
      berth.manage("POST", "/grants", { subject: "alice", role: "reader", repositories }, erin);
    await give("team-a/app");
    await give("team-a/*");
    for (const repositories of ["team-b/app", "**", "team-*/app", "*"])
      await expect(give(repositories)).rejects.toThrow("403");
    const { grants } = (await berth.manage("GET", "/grants", undefined, erin)) as {
      grants: { repositories: string }[];
    };
    expect(grants.map(({ repositories }) => repositories).sort()).toEqual([
      "team-a/*",
      "team-a/**",
      "team-a/app",
    ]);
  });

  test("the last administrator stays", async () => {
    for (const [method, path, body] of [
      ["DELETE", "/accounts/admin", undefined],
      ["PUT", "/accounts/admin", { disabled: true }],
      ["DELETE", "/grants?subject=admin&role=administrator&repositories=**", undefined],
    ] as const) {
      await expect(berth.manage(method, path, body)).rejects.toThrow("409");
    }
  });

  test.each([
    ["POST", "/accounts", { name: "A b", password: "long enough" }, 400],
    ["POST", "/accounts", { name: "short", password: "short" }, 400],
    ["POST", "/accounts", { name: "bot", kind: "robot", password: "long enough" }, 400],
    ["POST", "/accounts", { name: "alice", password: "long enough" }, 409],
    ["POST", "/accounts", { name: "public", password: "long enough" }, 400],
    ["POST", "/accounts", [], 400],
    ["POST", "/grants", { subject: "nobody", role: "reader", repositories: "a" }, 404],
    ["POST", "/grants", { subject: "alice", role: "owner", repositories: "a" }, 400],
    ["POST", "/grants", { subject: "alice", role: "reader", repositories: "A/" }, 400],
    ["POST", "/grants", { subject: "public", role: "writer", repositories: "a" }, 400],
    ["DELETE", "/accounts/nobody", undefined, 404],
    ["DELETE", "/accounts/alice/tokens/x", undefined, 404],
    ["POST", "/accounts/ci/tokens", { name: "old", expiresAt: "2020-01-01T00:00:00Z" }, 400],
  ])("%s %s with %j answers %p's status", async (method, path, body, status) => {
    await expect(berth.manage(method, path, body)).rejects.toThrow(`answered ${status}`);
  });
});
