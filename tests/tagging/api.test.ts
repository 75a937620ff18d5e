import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mediaTypes } from "../../src/oci/media-types.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { pushImage } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { contentOf, digestFor } from "../fixtures/tagging-store.ts";

const settings = `
tags:
  - repositories: ["gallery/*"]
    versions: semver
    float: [minor, major, latest]
    prereleases: [rc]
    immutable: [versions]
    manual-floats: refuse
    retain: { newest: 2 }
  - repositories: ["pulled/*"]
    retain: { newest: 1, pulled-within: 1h }
  - repositories: ["fallback/*"]
    latest-fallback: true
`;

let berth: RunningRegistry;
let folder: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  await writeFile(join(folder, "berth.yaml"), settings);
  berth = await startBerth({ args: ["--config", join(folder, "berth.yaml"), "--workers", "2"] });
});
afterAll(async () => {
  await berth?.stop();
  await rm(folder, { recursive: true });
});

interface Line {
  readonly tag: string;
  readonly action: string;
  readonly reason: string;
  readonly to?: string;
}

/** What operations answer, as far as these tests look. */
interface Answer {
  readonly lines: readonly Line[];
  readonly changes: readonly {
    readonly id: number;
    readonly kind: string;
    readonly moves: readonly Line[];
  }[];
  readonly periods: readonly { readonly digest: string; readonly reason: string; readonly actor: string }[];
  readonly tags: readonly Record<string, unknown>[];
  readonly digest: string;
  readonly version: number;
  readonly rules: readonly { readonly source: string }[];
  readonly errors: readonly { readonly code: string; readonly message: string }[];
}

async function ask(path: string, body?: object, method = body ? "POST" : "GET") {
  const answer = await fetch(`${berth.url}/api/v1${path}`, {
    method,
    headers: { "content-type": "application/json", connection: "close" }, // each by either worker
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Answer };
}

/** Pushes content `name` as `reference`, over a connection of its own. */
async function push(repository: string, name: string, reference: string): Promise<Response> {
  const answer = await fetch(`${berth.url}/v2/${repository}/manifests/${reference}`, {
    method: "PUT",
    headers: { "content-type": mediaTypes.ociIndex, connection: "close" },
    body: contentOf(name).slice().buffer,
  });
  await answer.arrayBuffer();
  return answer;
}

async function digestAt(repository: string, tag: string): Promise<string | null> {
  const answer = await fetch(`${berth.url}/v2/${repository}/manifests/${tag}`, { method: "HEAD" });
  return answer.headers.get("docker-content-digest");
}

const actions = ({ lines }: Answer) => lines.map(({ tag, action }) => `${action} ${tag}`);

describe("a push under a rule", () => {
  test("putManifest answers the tags that moved in OCI-Tag and says so in a Warning", async () => {
    const answer = await push("gallery/headers", "a", "2.1.3");
    expect(answer.status).toBe(201);
    expect(answer.headers.get("oci-tag")).toBe("2.1.3, 2.1, 2, latest");
    expect(answer.headers.get("warning")).toContain('299 - "2.1.3 moved 2.1, 2, latest"');
    const several = await push("gallery/headers", "b", `${digestFor("b")}?tag=2.1.4&tag=2.1`);
    expect(several.headers.get("oci-tag")).toBe("2.1.4, 2.1, 2, latest");
    const plain = await push("plain/headers", "a", "2.1.3");
    expect([plain.headers.get("oci-tag"), plain.headers.get("location")]).toEqual([
      null,
      `/v2/plain/headers/manifests/${digestFor("a")}`,
    ]);
  });

  test("putManifest answers 409 and what to do when an immutable or a floating tag would be overwritten", async () => {
    await push("gallery/refused", "a", "1.0.0");
    for (const [tag, reason] of [
      ["1.0.0", "push under a new version"],
      ["latest", "latest moves by itself"],
    ]) {
      const answer = await fetch(`${berth.url}/v2/gallery/refused/manifests/${tag}`, {
        method: "PUT",
        headers: { "content-type": mediaTypes.ociIndex },
        body: contentOf("b").slice().buffer,
      });
      expect(answer.status).toBe(409);
      const { errors } = (await answer.json()) as Answer;
      expect(errors[0]?.code).toBe("DENIED");
      expect(errors[0]?.message).toContain(reason as string);
    }
    expect((await fetch(`${berth.url}/v2/gallery/refused/manifests/${digestFor("b")}`)).status).toBe(404);
  });

  test("two releases pushed at the same instant through two workers leave the floats on the higher", async () => {
    for (let round = 0; round < 15; round++) {
      const repository = `gallery/race-${round}`;
      const patches = Array.from({ length: 8 }, (_, patch) => patch);
      const answers = await Promise.all(
        patches.map((patch) => push(repository, `p${patch}`, `1.0.${patch}`)),
      );
      expect(answers.map(({ status }) => status)).toEqual(patches.map(() => 201));
      for (const tag of ["1.0", "1", "latest"]) expect(await digestAt(repository, tag)).toBe(digestFor("p7"));
    }
  });

  test("getTag resolves latest to the highest stable version when nobody set it and the rule says so", async () => {
    for (const [name, tag] of [
      ["a", "1.0.0"],
      ["b", "1.10.0"],
      ["c", "2.0.0-rc.1"],
    ] as const) {
      await push("fallback/app", name, tag);
    }
    const answer = await fetch(`${berth.url}/v2/fallback/app/manifests/latest`);
    expect(answer.headers.get("docker-content-digest")).toBe(digestFor("b"));
    expect(answer.headers.get("warning")).toContain("nobody set fallback/app:latest: this is 1.10.0");
    await push("fallback/app", "a", "latest");
    const set = await fetch(`${berth.url}/v2/fallback/app/manifests/latest`);
    expect([set.headers.get("docker-content-digest"), set.headers.get("warning")]).toEqual([
      digestFor("a"),
      null,
    ]);
    expect((await fetch(`${berth.url}/v2/plain/headers/manifests/latest`)).status).toBe(404);
  });
});

describe("the management API of tags", () => {
  const repository = "gallery/api";

  test("plan, log, rollback and undelete tell one story", async () => {
    await push(repository, "a", "1.0.0");
    const planned = await ask("/tags/plan", { repository, tags: ["1.1.0"] });
    expect(actions(planned.body)).toEqual(["create 1.1.0", "create 1.1", "move 1", "move latest"]);
    expect(planned.body.lines[0]?.to).toBeUndefined();
    const pushed = await push(repository, "b", "1.1.0");
    expect(pushed.headers.get("oci-tag")).toBe("1.1.0, 1.1, 1, latest");

    const log = await ask(`/tags/log?repository=${repository}`);
    expect(log.body.changes.map(({ kind }) => kind)).toEqual(["push", "push"]);
    expect(log.body.changes[0]?.moves.map(({ tag, action }) => `${action} ${tag}`)).toEqual(
      actions(planned.body),
    );
    const before = new Date();

    const dry = await ask("/tags/rollback-release", { repository, dryRun: true });
    expect(actions(dry.body)).toEqual(["remove 1.1.0", "remove 1.1", "move 1", "move latest"]);
    expect(await digestAt(repository, "latest")).toBe(digestFor("b"));
    const back = await ask("/tags/rollback-release", { repository });
    expect(back.body.lines).toEqual(dry.body.lines);
    expect(await digestAt(repository, "latest")).toBe(digestFor("a"));

    const { body } = await ask(`/tags/log?repository=${repository}&tag=latest`);
    expect(body.periods.map(({ digest }) => digest)).toEqual([
      digestFor("a"),
      digestFor("b"),
      digestFor("a"),
    ]);
    expect(body.periods[1]).toMatchObject({ reason: "1.1.0 is the highest of latest", actor: "anonymous" });
    const then = await ask(`/tags/resolve?repository=${repository}&tag=latest&at=${before.toISOString()}`);
    expect(then.body).toEqual({ digest: digestFor("b"), available: true } as never);
    const never = await ask(`/tags/resolve?repository=${repository}&tag=latest&at=2001-01-01T00:00:00Z`);
    expect(never.status).toBe(404);

    const undeleted = await ask("/tags/undelete", { repository, tag: "1.1.0" });
    expect(undeleted.status).toBe(200);
    expect(await digestAt(repository, "latest")).toBe(digestFor("b"));
  });

  test("move and delete are refused as pushes are, and allowed where no rule is", async () => {
    const refused = await ask("/tags/move", { repository, tag: "latest", to: "1.0.0" });
    expect([refused.status, refused.body.errors[0]?.code]).toEqual([409, "DENIED"]);
    expect((await ask("/tags/delete", { repository, tags: ["1.0.0"] })).status).toBe(409);
    const missing = await ask("/tags/move", { repository: "plain/api", tag: "a", to: digestFor("a") });
    expect(missing.status).toBe(404);
    await push("plain/api", "a", "a");
    await push("plain/api", "b", "b");
    expect((await ask("/tags/move", { repository: "plain/api", tag: "a", to: "b" })).status).toBe(200);
    expect(await digestAt("plain/api", "a")).toBe(digestFor("b"));
    expect((await ask("/tags/rollback", { repository: "plain/api", tag: "a" })).status).toBe(200);
    expect(await digestAt("plain/api", "a")).toBe(digestFor("a"));
    expect((await ask("/tags/delete", { repository: "plain/api", tags: ["a", "b"] })).status).toBe(200);
    expect(
      (await ask("/tags/rollback", { repository: "plain/api", tag: "a" })).body.errors[0]?.message,
    ).toContain("undelete");
  });

  test("a deleted manifest comes back with its tags and its blobs", async () => {
    const image = await pushImage(berth.url, "plain/undelete", "1", [3000]);
    await fetch(`${berth.url}/v2/plain/undelete/manifests/${image.digest}`, { method: "DELETE" });
    expect(await digestAt("plain/undelete", "1")).toBeNull();
    const back = await ask("/manifests/undelete", { repository: "plain/undelete", digest: image.digest });
    expect(actions(back.body)).toEqual(["create 1"]);
    expect(await (await fetch(`${berth.url}/v2/plain/undelete/manifests/1`)).text()).toBe(image.manifest);
    const again = await ask("/manifests/undelete", { repository: "plain/undelete", digest: image.digest });
    expect(again.status).toBe(400);
  });

  test("an index that was deleted with what it lists comes back with it", async () => {
    const repository = "plain/index";
    const child = await pushImage(berth.url, repository, "child", [100]);
    const descriptor = {
      mediaType: mediaTypes.ociManifest,
      digest: child.digest,
      size: Buffer.byteLength(child.manifest),
    };
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [descriptor],
    });
    const headers = { "content-type": mediaTypes.ociIndex };
    const url = `${berth.url}/v2/${repository}/manifests`;
    const pushed = await fetch(`${url}/all`, { method: "PUT", headers, body: index });
    const digest = pushed.headers.get("docker-content-digest");
    for (const each of [digest, child.digest]) {
      expect((await fetch(`${url}/${each}`, { method: "DELETE" })).status).toBe(202);
    }
    expect(actions((await ask("/manifests/undelete", { repository, digest })).body)).toEqual(["create all"]);
    expect(await (await fetch(`${url}/${child.digest}`)).text()).toBe(child.manifest);
    expect(await (await fetch(`${url}/all`)).text()).toBe(index);
  });

  test("rolling one tag back again and again goes further back each time", async () => {
    const repository = "plain/back";
    for (const name of ["a", "b", "c"]) await push(repository, name, "stable");
    const back = () => ask("/tags/rollback", { repository, tag: "stable" });
    for (const name of ["b", "a"]) {
      expect((await back()).status).toBe(200);
      expect(await digestAt(repository, "stable")).toBe(digestFor(name));
    }
    expect((await back()).body.errors[0]?.message).toContain("it pointed nowhere before");
    await push(repository, "d", "stable");
    await back();
    expect(await digestAt(repository, "stable")).toBe(digestFor("a"));
  });

  test("tags are listed with size, platforms, and what the rule takes them for", async () => {
    const image = await pushImage(berth.url, "gallery/listed", "1.0.0", [3000]);
    const { body } = await ask("/tags?repository=gallery/listed");
    expect(body.tags.map(({ tag, kind, immutable }) => `${tag} ${kind} ${immutable}`)).toEqual([
      "1 float false",
      "1.0 float false",
      "1.0.0 version true",
      "latest float false",
    ]);
    expect(body.tags[0]).toMatchObject({ digest: image.digest, platforms: ["linux/amd64"], cause: "rule" });
    expect(body.tags[0]?.size).toBeGreaterThan(3000);
    const page = await ask("/tags?repository=gallery/listed&n=1&last=1.0");
    expect(page.body).toMatchObject({ tags: [{ tag: "1.0.0" }], next: "1.0.0" } as never);
    expect((await ask("/tags?repository=gallery/nothing")).status).toBe(404);
  });

  test("retention is a plan first, an action after, and can be undone", async () => {
    for (const patch of [1, 2, 3, 4]) await push("gallery/kept", `k${patch}`, `1.0.${patch}`);
    const plan = await ask("/tags/retention?repository=gallery/kept");
    const removed = plan.body.lines.filter(({ action }) => action === "remove");
    expect(removed.map(({ tag }) => tag)).toEqual(["1.0.1", "1.0.2"]);
    expect(removed[0]?.reason).toContain("not among the newest 2 versions");
    const applied = await ask("/tags/retention", { repository: "gallery/kept" });
    expect(applied.body.lines).toEqual(removed);
    expect(await digestAt("gallery/kept", "1.0.1")).toBeNull();
    expect((await ask("/tags/undelete", { repository: "gallery/kept", tag: "1.0.1" })).status).toBe(200);
    expect((await ask("/tags/retention?repository=plain/api")).body.errors[0]?.message).toContain(
      "no retain",
    );
  });

  test("retention knows at once what was pulled, whichever worker was asked", async () => {
    const repository = "pulled/api";
    const tags = Array.from({ length: 10 }, (_, at) => `build-${at}`);
    for (const tag of [...tags, "newest"]) await push(repository, tag, tag);
    for (const tag of tags) {
      const url = `${berth.url}/v2/${repository}/manifests/${tag}`;
      await (await fetch(url, { headers: { connection: "close" } })).arrayBuffer();
    }
    const plan = (await ask(`/tags/retention?repository=${repository}`)).body.lines;
    const pulled = plan.filter(({ reason }) => reason === "was pulled less than an hour ago");
    expect(pulled.map(({ tag }) => tag)).toEqual(tags);
  });

  test("stored rules come behind those of the settings, are checked, and every worker follows them", async () => {
    const first = await ask("/tags/rules");
    expect(first.body.rules.map(({ source }) => source)).toEqual(["settings", "settings", "settings"]);
    const rule = { repositories: ["stored/*"], float: ["latest"] };
    const { version } = first.body;
    const put = await ask("/tags/rules", { version, rules: [rule] }, "PUT");
    expect(put.body.rules.map(({ source }) => source)).toEqual([
      "settings",
      "settings",
      "settings",
      "stored",
    ]);
    for (let round = 0; round < 6; round++) {
      const answer = await push(`stored/r${round}`, "a", "1.0.0");
      expect(answer.headers.get("oci-tag")).toBe("1.0.0, latest");
    }
    const late = await ask("/tags/rules", { version, rules: [] }, "PUT");
    expect([late.status, late.body.errors[0]?.message]).toEqual([
      400,
      expect.stringContaining("read them again"),
    ]);
    const hidden = { version: version + 1, rules: [{ repositories: ["gallery/app"], float: ["latest"] }] };
    const wrong = await ask("/tags/rules", hidden, "PUT");
    expect([wrong.status, wrong.body.errors[0]?.message]).toEqual([
      400,
      expect.stringContaining("can never match"),
    ]);
  });

  test("the OpenAPI document describes every operation of tags", async () => {
    const document = (await (await fetch(`${berth.url}/api/v1/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { summary: string; requestBody?: unknown }>>; // what OpenAPI says
    };
    const described = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path.slice("/api/v1".length)}`),
    );
    expect(described).toEqual(
      expect.arrayContaining([
        ...["get /tags", "get /tags/log", "get /tags/resolve", "get /tags/retention", "get /tags/rules"],
        ...["post /tags/plan", "post /tags/move", "post /tags/delete", "post /tags/rollback"],
        ...["post /tags/rollback-release", "post /tags/undelete", "post /manifests/undelete"],
        ...["post /tags/retention", "put /tags/rules", "get /events"],
      ]),
    );
    const rules = JSON.stringify(document.paths["/api/v1/tags/rules"]?.put?.requestBody);
    expect(rules).toContain('"enum":["semver","calver","none"]');
    expect(rules).toContain('"repositories":{"minItems":1,"type":"array","items":{"type":"string"');
  });

  test("a changed rule reads the tags that are there", async () => {
    for (const tag of ["1.0.0", "1.2.0", "1.1.0"]) await push("later/app", tag, tag);
    const { body } = await ask("/tags/rules");
    await ask(
      "/tags/rules",
      { version: body.version, rules: [{ repositories: ["later/*"], float: ["major"] }] },
      "PUT",
    );
    await push("later/app", "x", "1.0.1");
    expect(await digestAt("later/app", "1")).toBe(digestFor("1.2.0"));
  });
});
