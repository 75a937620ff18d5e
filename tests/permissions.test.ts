import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Action, actions, actionsOf, type Role, roles } from "../src/access/roles.ts";
import type { RouteKind } from "../src/server/routes.ts";
import { type BerthWithAccounts, basic, passwordOf, startBerthWithAccounts } from "./fixtures/accounts.ts";
import { imageManifest, type PushedImage, pushBlob, pushImage, sha256 } from "./fixtures/pushes.ts";

setDefaultTimeout(60_000);

const absent = sha256("nothing has these bytes");
/** Every repository is there, absent, or there with a public grant; roles are on gallery/** alone. */
const repositories = ["gallery/app", "gallery/none", "secret/app", "secret/none", "public/app"] as const;
type Repository = (typeof repositories)[number];

interface Asked {
  readonly method: string;
  readonly path: (repository: string, image: PushedImage) => string;
  readonly action: Action;
}

const read = (path: Asked["path"]): readonly Asked[] =>
  ["GET", "HEAD"].map((method) => ({ method, path, action: "pull" }));
const write = (method: string, action: Action, path: Asked["path"]): Asked => ({ method, path, action });

/**
 * What is asked of each kind of route. A new kind does not compile without a line here. What is written is absent or
 * wrong, so that those who may do it change nothing.
 */
const requests: Readonly<Record<Exclude<RouteKind, "base" | "catalog">, readonly Asked[]>> = {
  tag: [
    ...read((name) => `${name}/manifests/1.0`),
    ...read((name) => `${name}/manifests/none`),
    write("PUT", "push", (name) => `${name}/manifests/new`),
    write("DELETE", "delete", (name) => `${name}/manifests/none`),
  ],
  manifest: [
    ...read((name, { digest }) => `${name}/manifests/${digest}`),
    ...read((name) => `${name}/manifests/${absent}`),
    write("PUT", "push", (name) => `${name}/manifests/${absent}`),
    write("DELETE", "delete", (name) => `${name}/manifests/${absent}`),
  ],
  blob: [
    ...read((name, { blobs }) => `${name}/blobs/${blobs[1]}`),
    ...read((name) => `${name}/blobs/${absent}`),
    write("DELETE", "delete", (name) => `${name}/blobs/${absent}`),
  ],
  uploads: [
    write("POST", "push", (name) => `${name}/blobs/uploads/`),
    write("POST", "push", (name, { blobs }) => `${name}/blobs/uploads/?mount=${blobs[1]}&from=secret/app`),
    write("POST", "push", (name) => `${name}/blobs/uploads/?digest=${absent}`),
  ],
  upload: ["GET", "PATCH", "PUT", "DELETE"].map((method) =>
    write(method, "push", (name) => `${name}/blobs/uploads/none?digest=${absent}`),
  ),
  tags: [...read((name) => `${name}/tags/list`), ...read((name) => `${name}/tags/list?n=1&last=a`)],
  referrers: read((name, { digest }) => `${name}/referrers/${digest}`),
};
const everyRequest = Object.values(requests).flat();

let berth: BerthWithAccounts;
const images = new Map<string, PushedImage>();
/** `Authorization` by who sends it. */
const callers = new Map<string, string | undefined>();

beforeAll(async () => {
  berth = await startBerthWithAccounts();
  await berth.grant("public", "reader", "public/**");
  for (const role of roles) callers.set(role, await berth.addPerson(role, role, "gallery/**"));
  callers.set("stranger", await berth.addPerson("stranger"));
  callers.set("anonymous", undefined);
  callers.set("revoked", `Bearer ${await berth.addRobot("revoked", "administrator", "**")}`);
  await berth.manage("PUT", "/accounts/revoked", { disabled: true });
  const limited = (await berth.manage("POST", "/accounts/maintainer/tokens", {
    name: "pull only",
    limits: [{ repositories: "gallery/app", actions: ["pull"] }],
  })) as { secret: string };
  callers.set("limited", basic("maintainer", limited.secret));
  for (const repository of ["gallery/app", "secret/app", "public/app"]) {
    images.set(repository, await pushImage(berth.url, repository, "1.0", [64, 100], berth.admin));
  }
});
afterAll(() => berth?.stop());

/** An image to ask for in a repository: its own, or that of one that has one. */
const imageFor = (repository: string): PushedImage => {
  const image = images.get(repository.replace("none", "app"));
  if (!image) throw new Error(`no image for ${repository}`);
  return image;
};

function send(
  repository: string,
  { method, path }: Asked,
  authorization?: string,
  image = imageFor(repository),
) {
  return fetch(`${berth.url}/v2/${path(repository, image)}`, {
    method,
    headers: authorization ? { authorization } : {},
    ...(method === "PUT" || method === "PATCH" ? { body: "{}" } : {}),
  });
}

/** The pure oracle. */
function isAllowed(caller: string, action: Action, repository: Repository): boolean {
  if (caller === "revoked") return false;
  if (caller === "limited") return action === "pull" && repository === "gallery/app";
  if (repository === "public/app" && action === "pull") return true;
  if (!repository.startsWith("gallery/")) return false;
  return roles.some((role) => role === caller) && actionsOf(caller as Role).includes(action); // just checked
}

describe("the distribution API", () => {
  test.each([...roles, "stranger", "anonymous", "revoked", "limited"])(
    "every route lets %s do just what the oracle allows",
    async (caller) => {
      const authorization = callers.get(caller);
      for (const repository of repositories) {
        for (const request of everyRequest) {
          const { status } = await send(repository, request, authorization);
          const what = `${request.method} ${request.path(repository, imageFor(repository))} as ${caller}: ${status}`;
          if (isAllowed(caller, request.action, repository)) expect(what).not.toMatch(/: (401|403)$/);
          else if (caller === "anonymous" || caller === "revoked") expect(what).toEndWith(": 401");
          else if (request.action !== "pull") expect(what).toEndWith(": 403");
          else expect(what).toEndWith(what.includes("/referrers/") ? ": 200" : ": 404");
        }
      }
    },
  );

  test("what is hidden and what is not there are answered alike, byte for byte", async () => {
    const image = imageFor("secret/app");
    for (const caller of [...roles, "stranger", "anonymous", "limited"]) {
      for (const request of everyRequest) {
        const authorization = callers.get(caller);
        const [hidden, missing] = await Promise.all(
          // As long as each other: the length of the answer tells nothing either.
          ["secret/app", "secret/non"].map(async (name) => {
            const answer = await send(name, request, authorization, image);
            return shape(answer, await answer.text(), name);
          }),
        );
        expect(`${caller} ${hidden}`).toBe(`${caller} ${missing}`);
      }
    }
  });

  test("a repository that may be read does not tell of what others hold", async () => {
    const hidden = imageFor("secret/app");
    const reader = callers.get("reader");
    const writer = callers.get("writer");
    const answerOf = async (path: string, authorization?: string, init: RequestInit = {}) => {
      const answer = await fetch(`${berth.url}/v2/${path}`, {
        ...init,
        headers: { authorization: authorization ?? "" },
      });
      const text = (await answer.text()).replaceAll(/sha256:[0-9a-f]{64}/g, "DIGEST");
      return `${answer.status} ${text} ${answer.headers.get("location")?.replace(/uploads\/[^/]*$/, "uploads/ID")}`;
    };
    for (const authorization of [reader, writer]) {
      for (const [path, digest] of [
        ["blobs", hidden.blobs[1]],
        ["manifests", hidden.digest],
        ["referrers", hidden.digest],
      ]) {
        for (const method of ["GET", "HEAD"]) {
          const of = (name: string | undefined) =>
            answerOf(`gallery/app/${path}/${name}`, authorization, { method });
          expect(await of(digest)).toBe(await of(absent));
        }
      }
    }
    // A mount, with and without from, begins an upload whether the blob is somewhere or not.
    for (const from of ["", "&from=secret/app", "&from=secret/none", "&from=..%2F"]) {
      const mount = (digest: string | undefined) =>
        answerOf(`gallery/app/blobs/uploads/?mount=${digest}${from}`, writer, { method: "POST" });
      expect(await mount(hidden.blobs[1])).toBe(await mount(absent));
      expect(await mount(hidden.blobs[1])).toStartWith("202");
    }
    // A manifest that names a hidden blob names nothing that is there.
    const body = imageManifest([new TextEncoder().encode("x"), new TextEncoder().encode("y")]).replace(
      /sha256:[0-9a-f]{64}/,
      String(hidden.blobs[1]),
    );
    expect(await answerOf("gallery/app/manifests/x", writer, { method: "PUT", body })).toContain(
      "gallery/app lacks",
    );
  });

  test("headBlob links a layer from where it may be read, for who may push", async () => {
    const head = async (caller: string, digest: string | undefined) => {
      const headers = { authorization: callers.get(caller) ?? "" };
      const path = `${berth.url}/v2/gallery/linked/blobs/${digest}`;
      return (await fetch(path, { method: "HEAD", headers })).status;
    };
    const readable = await pushBlob(berth.url, "gallery/app", new Uint8Array(77), berth.admin);
    const [, hidden] = imageFor("secret/app").blobs;
    expect(await head("reader", readable)).toBe(404);
    expect(await head("writer", hidden)).toBe(404);
    expect(await head("writer", readable)).toBe(200);
    expect(await head("reader", readable)).toBe(200);
  });

  test("lists and suggestions name only what may be pulled", async () => {
    const catalog = async (authorization?: string, query = "") =>
      (
        await fetch(`${berth.url}/v2/_catalog${query}`, { headers: authorization ? { authorization } : {} })
      ).json();
    expect(await catalog(callers.get("reader"))).toEqual({ repositories: ["gallery/app", "public/app"] });
    expect(await catalog(callers.get("reader"), "?n=1&last=gallery/app")).toEqual({
      repositories: ["public/app"],
    });
    expect(await catalog(callers.get("stranger"))).toEqual({ repositories: ["public/app"] });
    expect(await catalog(berth.admin)).toEqual({ repositories: ["gallery/app", "public/app", "secret/app"] });
    const { token } = (await (await fetch(`${berth.url}/token?scope=registry:catalog:*`)).json()) as {
      token: string;
    };
    expect(await catalog(`Bearer ${token}`)).toEqual({ repositories: ["public/app"] });
    for (const [caller, name, expected] of [
      ["reader", "gallery/ap", "did you mean gallery/app"],
      ["reader", "gallery/secret-app", "there is no repository gallery/secret-app"],
    ] as const) {
      const answer = await fetch(`${berth.url}/v2/${name}/manifests/1`, {
        headers: { authorization: callers.get(caller) ?? "" },
      });
      const text = await answer.text();
      expect(text).toContain(expected);
      expect(text).not.toContain("secret/");
    }
  });

  test("a short-lived token allows no more than its scopes, and never more than its owner may", async () => {
    const scopes = ["gallery/app:pull", "secret/app:pull,push,delete,*"].map(
      (scope) => `scope=repository:${scope}`,
    );
    const answer = await fetch(`${berth.url}/token?${scopes.join("&")}`, {
      headers: { authorization: basic("maintainer", passwordOf("maintainer")) },
    });
    const { token } = (await answer.json()) as { token: string };
    for (const request of everyRequest) {
      const status = async (name: Repository) => (await send(name, request, `Bearer ${token}`)).status;
      if (request.action === "pull") expect([401, 403]).not.toContain(await status("gallery/app"));
      else expect(await status("gallery/app")).toBe(401); // another token would do
      expect([403, request.path("", imageFor("secret/app")).startsWith("/referrers") ? 200 : 404]).toContain(
        await status("secret/app"),
      );
    }
  });
});

/** All of an answer that a stranger sees, without what is other for each request. */
function shape(answer: Response, body: string, repository: string): string {
  const headers = [...answer.headers].filter(([name]) => name !== "date" && name !== "x-request-id");
  return JSON.stringify([answer.status, headers, body]).replaceAll(repository, "NAME");
}

type Level = "login" | "owner" | "administrator" | Action;

/** Who may use each operation; an action is one on its repository. One that is not here fails the test. */
const levels: Readonly<Record<string, Level>> = {
  "GET /api/v1/whoami": "login",
  "GET /api/v1/stats": "administrator",
  "GET /api/v1/disk": "administrator",
  "GET /api/v1/verifications": "administrator",
  "GET /api/v1/verifications/{id}/faults": "administrator",
  "GET /api/v1/gc": "administrator",
  "GET /api/v1/gc/plan": "administrator",
  "POST /api/v1/gc/runs": "administrator",
  "GET /api/v1/gc/runs/{id}": "administrator",
  "GET /api/v1/gc/objects/{digest}": "administrator",
  "GET /api/v1/accounts": "administrator",
  "POST /api/v1/accounts": "administrator",
  "GET /api/v1/accounts/{name}": "administrator",
  "PUT /api/v1/accounts/{name}": "administrator",
  "DELETE /api/v1/accounts/{name}": "administrator",
  "PUT /api/v1/accounts/{name}/password": "owner",
  "GET /api/v1/accounts/{name}/tokens": "owner",
  "POST /api/v1/accounts/{name}/tokens": "owner",
  "DELETE /api/v1/accounts/{name}/tokens/{id}": "owner",
  "GET /api/v1/grants": "login",
  "POST /api/v1/grants": "administrator",
  "DELETE /api/v1/grants": "administrator",
  "GET /api/v1/audit": "administrator",
  "GET /api/v1/audit/verification": "administrator",
  "GET /api/v1/events": "pull",
  "GET /api/v1/tags": "pull",
  "GET /api/v1/tags/log": "pull",
  "GET /api/v1/tags/resolve": "pull",
  "POST /api/v1/tags/plan": "pull",
  "POST /api/v1/tags/move": "overwrite",
  "POST /api/v1/tags/delete": "delete",
  "POST /api/v1/tags/rollback": "overwrite",
  "POST /api/v1/tags/rollback-release": "delete",
  "POST /api/v1/tags/undelete": "push",
  "POST /api/v1/tags/replay": "administrator",
  "GET /api/v1/manifests/deleted": "push",
  "POST /api/v1/manifests/undelete": "push",
  "GET /api/v1/tags/retention": "pull",
  "POST /api/v1/tags/retention": "delete",
  "GET /api/v1/tags/rules": "administrator",
  "PUT /api/v1/tags/rules": "administrator",
};

/** What an operation is given beside its path: valid, and about what is not there. */
const queries: Readonly<Record<string, string>> = {
  "DELETE /api/v1/grants": "subject=nobody&role=reader&repositories=**",
  "GET /api/v1/events": "repository=REPOSITORY",
  "GET /api/v1/manifests/deleted": "repository=REPOSITORY",
  "GET /api/v1/tags": "repository=REPOSITORY",
  "GET /api/v1/tags/log": "repository=REPOSITORY&tag=1.0",
  "GET /api/v1/tags/resolve": "repository=REPOSITORY&tag=1.0&at=2026-01-01T00:00:00Z",
  "GET /api/v1/tags/retention": "repository=REPOSITORY",
};
const bodies: Readonly<Record<string, object>> = {
  "POST /api/v1/accounts": { name: "X" },
  "PUT /api/v1/accounts/{name}": {},
  "PUT /api/v1/accounts/{name}/password": { password: "short" },
  "POST /api/v1/accounts/{name}/tokens": { name: "x", expiresAt: "2020-01-01T00:00:00Z" },
  "POST /api/v1/grants": { subject: "nobody", role: "reader", repositories: "**" },
  "POST /api/v1/gc/runs": {},
  "POST /api/v1/tags/plan": { tags: ["1.0"] },
  "POST /api/v1/tags/move": { tag: "1.0", to: absent },
  "POST /api/v1/tags/delete": { tags: ["none"] },
  "POST /api/v1/tags/rollback": { tag: "none" },
  "POST /api/v1/tags/rollback-release": { tag: "none" },
  "POST /api/v1/tags/undelete": { tag: "none" },
  "POST /api/v1/tags/replay": { repository: "nobody/here", changes: [] },
  "POST /api/v1/manifests/undelete": { digest: absent },
  "POST /api/v1/tags/retention": {},
  "PUT /api/v1/tags/rules": { rules: [], version: 1_000_000 },
};

async function operationNames(): Promise<readonly string[]> {
  const answer = await fetch(`${berth.url}/api/v1/openapi.json`);
  const { paths } = (await answer.json()) as { paths: Record<string, Record<string, unknown>> };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

async function operate(
  name: string,
  repository: string,
  authorization?: string,
): Promise<{ status: number; text: string }> {
  const [method = "", template = ""] = name.split(" ");
  const level = levels[name];
  if (!level) throw new Error(`${name} has no rule in this test`);
  // An administrator must not remove the account that the next caller is.
  const account = method === "DELETE" && level === "administrator" ? "nobody" : "writer";
  const id = template.includes("/verifications/") ? "1" : "none"; // those are numbers
  const path = template.replace("{name}", account).replace("{id}", id);
  const about = level === "administrator" || level === "login" || level === "owner" ? {} : { repository };
  const body = bodies[name] && JSON.stringify({ ...bodies[name], ...about });
  const cancel = new AbortController();
  const answer = await fetch(
    `${berth.url}${path}?${(queries[name] ?? "").replace("REPOSITORY", repository)}`,
    {
      method,
      headers: { ...(authorization ? { authorization } : {}), "content-type": "application/json" },
      ...(body ? { body } : {}),
      signal: cancel.signal,
    },
  );
  const isStream = answer.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  const text = isStream ? "" : (await answer.text()).replaceAll(repository, "NAME");
  if (isStream) cancel.abort();
  return { status: answer.status, text };
}

describe("the management API", () => {
  test("every operation lets in just whom it has to", async () => {
    for (const name of await operationNames()) {
      const level = levels[name];
      for (const [caller, authorization] of [...callers, ["admin", berth.admin] as const]) {
        for (const repository of ["gallery/app", "secret/app", "public/app"] as const) {
          const { status, text } = await operate(name, repository, authorization);
          const what = `${name} of ${repository} as ${caller}: ${status}`;
          const isKnown = caller !== "anonymous" && caller !== "revoked";
          const may =
            caller === "admin" ||
            (level === "login" && isKnown) ||
            (level === "owner" && caller === "writer") ||
            (actions.some((action) => action === level) && isAllowed(caller, level as Action, repository)); // just checked
          if (may) expect(`${what} ${text}`).not.toMatch(/: (401|403) |(body|query)\./);
          else if (!isKnown) expect(what).toEndWith(": 401");
          else expect(what).toMatch(level === "pull" ? /: 404$/ : /: 403$/);
        }
      }
    }
  });

  test("what is hidden and what is not there are answered alike by every operation", async () => {
    for (const name of await operationNames()) {
      for (const caller of ["reader", "administrator", "stranger", "anonymous", "limited"]) {
        const [hidden, missing] = await Promise.all(
          ["secret/app", "secret/non"].map((repository) => operate(name, repository, callers.get(caller))),
        );
        expect({ caller, name, ...hidden }).toEqual({ caller, name, ...missing });
      }
    }
  });
});
