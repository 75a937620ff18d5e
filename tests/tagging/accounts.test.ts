import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mediaTypes } from "../../src/oci/media-types.ts";
import { type BerthWithAccounts, startBerthWithAccounts } from "../fixtures/accounts.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { contentOf } from "../fixtures/tagging-store.ts";

let berth: BerthWithAccounts;
let folder: string;
const people: Record<string, string> = {};

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  await writeFile(join(folder, "berth.yaml"), 'tags: [{ repositories: ["**"], float: [minor, latest] }]\n');
  berth = await startBerthWithAccounts({ args: ["--config", join(folder, "berth.yaml")] });
  people.reader = await berth.addPerson("rita", "reader", "gallery/*");
  people.writer = await berth.addPerson("will", "writer", "gallery/*");
  people.maintainer = await berth.addPerson("mona", "maintainer", "gallery/*");
  for (const repository of ["gallery/app", "secret/app"]) {
    await push(repository, "1.0.0", berth.admin);
    await push(repository, "1.1.0", berth.admin);
  }
}, 60_000);
afterAll(async () => {
  await berth?.stop();
  await rm(folder, { recursive: true });
});

async function push(repository: string, tag: string, authorization: string): Promise<Response> {
  return fetch(`${berth.url}/v2/${repository}/manifests/${tag}`, {
    method: "PUT",
    headers: { "content-type": mediaTypes.ociIndex, authorization },
    body: contentOf(`${repository} ${tag}`).slice().buffer,
  });
}

function ask(path: string, who: string | undefined, body?: object, method = body ? "POST" : "GET") {
  const authorization = who === undefined ? undefined : people[who];
  return fetch(`${berth.url}/api/v1${path}`, {
    method,
    headers: { "content-type": "application/json", ...(authorization && { authorization }) },
    ...(body && { body: JSON.stringify(body) }),
  });
}

describe("tags of a registry with accounts", () => {
  test("a push by somebody who may not move tags moves the floating tags all the same, in their name", async () => {
    const answer = await push("gallery/app", "1.2.0", people.writer ?? "");
    expect([answer.status, answer.headers.get("oci-tag")]).toEqual([201, "1.2.0, 1.2, latest"]);
    const log = await (await ask("/tags/log?repository=gallery/app&tag=latest", "reader")).json();
    expect(log).toMatchObject({ periods: [{ actor: "will" }, { actor: "admin" }, { actor: "admin" }] });
  });

  test.each([
    ["/tags?repository=gallery/app", "reader", undefined, 200],
    ["/tags?repository=gallery/app", undefined, undefined, 401],
    ["/tags?repository=secret/app", "reader", undefined, 404],
    ["/tags/log?repository=secret/app", "maintainer", undefined, 404],
    ["/tags/plan", "reader", { repository: "gallery/app", tags: ["1.3.0"] }, 200],
    ["/tags/plan", "reader", { repository: "secret/app", tags: ["1.3.0"] }, 404],
    ["/tags/delete", "writer", { repository: "gallery/app", tags: ["1.0.0"] }, 403],
    ["/tags/rollback-release", "writer", { repository: "gallery/app" }, 403],
    ["/tags/move", "reader", { repository: "gallery/app", tag: "a", to: "1.0.0" }, 403],
    ["/tags/rollback-release", "maintainer", { repository: "gallery/app", dryRun: true }, 200],
    ["/tags/rules", "maintainer", undefined, 403],
  ] as const)("%s answers %s with its status", async (path, who, body, status) => {
    const answer = await ask(path, who, body);
    await answer.text();
    expect(answer.status).toBe(status);
  });

  test("events tell a reader of what may be read, and of nothing else", async () => {
    const ended = new AbortController();
    const answer = await fetch(`${berth.url}/api/v1/events?after=0`, {
      headers: { authorization: people.reader ?? "" },
      signal: ended.signal,
    });
    let text = "";
    for await (const chunk of answer.body ?? []) {
      text += new TextDecoder().decode(chunk);
      if (text.split("event: change").length > 2) break;
    }
    ended.abort();
    expect(text).toContain('"repository":"gallery/app"');
    expect(text).not.toContain("secret");
    expect((await ask("/events?repository=secret/app&after=0", "reader")).status).toBe(404);
  });
});
