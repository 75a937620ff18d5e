import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { mediaTypes } from "../src/oci/media-types.ts";
import { parseRepositoryName, parseTag } from "../src/oci/names.ts";
import { openStore } from "../src/store/store.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "./fixtures/registries.ts";

const count = 100_000;
const numbers = Array.from({ length: count }, (_, at) => at);
/** As their bytes order them: 10 before 2, capitals before small letters. */
const tags = numbers.map((at) => (at % 2 === 0 ? `v${at}` : `V${at}.x`)).sort();
const repositories = numbers.map((at) => `many/r${at}`).sort();

let folder: string;
let berth: RunningRegistry;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  const data = join(folder, "data");
  const { registry, close } = await openStore({ folder: data });
  const bytes = new TextEncoder().encode('{"schemaVersion":2,"manifests":[]}');
  for (let at = 0; at < count; at += 5000) {
    const some = tags.slice(at, at + 5000).map(parseTag);
    const input = { bytes, mediaType: mediaTypes.ociIndex, tags: some };
    await registry.putManifest(parseRepositoryName("long/tags"), input);
  }
  await close();
  const db = new Database(join(data, "metadata.db"));
  const insert = db.prepare("INSERT INTO repositories (name, created_at, manifests) VALUES (?, 0, 1)");
  db.transaction(() => {
    for (const name of repositories) insert.run(name);
  })();
  db.close();
  berth = await startBerth({ data });
}, 60_000);
afterAll(async () => {
  await berth?.stop();
  await rm(folder, { recursive: true });
});

/** Follows `Link` to the end. */
async function listAll(path: string, key: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const answer: Response = await fetch(berth.url + next);
    found.push(...(((await answer.json()) as Record<string, string[]>)[key] ?? []));
    next = answer.headers.get("link")?.match(/^<(.+)>; rel="next"$/)?.[1];
  }
  return found;
}

test.each(["?n=7777", ""])(
  "listTags gives 100,000 in the order of their bytes, asked with %p",
  async (query) => {
    expect(await listAll(`/v2/long/tags/tags/list${query}`, "tags")).toEqual(tags);
  },
);

test("listRepositories gives 100,000 in the order of their bytes", async () => {
  expect(await listAll("/v2/_catalog?n=9999", "repositories")).toEqual(["long/tags", ...repositories]);
});
