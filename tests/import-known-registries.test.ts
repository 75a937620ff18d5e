import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "../src/client/client.ts";
import { parseRepositoryName } from "../src/oci/names.ts";
import { bytesFor, pushImage, tags } from "../src/registry/contract/fixtures.ts";
import { runBerth } from "./fixtures/command-lines.ts";
import {
  answerTokens,
  dockerHub,
  ecr,
  github,
  harbor,
  type KnownRegistry,
  known,
  quay,
} from "./fixtures/known-registries.ts";
import { useOddRegistries } from "./fixtures/odd-registries.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import type { Reply, SeenRequest } from "./fixtures/reply-servers.ts";
import { type ServedRegistry, serveRegistry } from "./fixtures/served-registry.ts";

setDefaultTimeout(30_000);

const repositories = ["gallery/app", "gallery/tools/ci/runner"].map(parseRepositoryName);
const versions = tags("1", "2", "3", "4", "5");
const { administrator, robot } = known;

let behind: ServedRegistry;
let folder: string;
beforeAll(async () => {
  folder = await makeTemporaryFolder();
  behind = await serveRegistry();
  const client = createClient(behind.host);
  for (const [at, repository] of repositories.entries()) {
    for (const [seed, tag] of versions.entries())
      await pushImage(client, repository, {
        layers: [bytesFor(seed, 20_000)],
        config: { at, seed },
        tags: [tag],
      });
  }
  client.close();
});
afterAll(async () => {
  await behind.stop();
  await rm(folder, { recursive: true });
});

const odd = useOddRegistries();

/** Starts a registry of a kind. Its lists are those behind it, in its own pages. */
async function start({ answer, pages }: KnownRegistry): Promise<string> {
  const server = await odd.serve(async (request): Promise<Reply> => {
    const own = answer(request, server.host);
    if (own) return own;
    const [path = "", query] = request.path.split("?");
    const isList = /\/(_catalog|tags\/list)$/.test(path);
    if (!isList || !pages) return forward(request, request.path);
    const name = path.endsWith("_catalog") ? "repositories" : "tags";
    const answered = await fetch(`http://${behind.host}${path}`);
    if (!answered.ok) return forward(request, path);
    const whole: string[] = JSON.parse(await answered.text())[name];
    const asked = Object.fromEntries(new URLSearchParams(query));
    const last = asked.next_page ? Buffer.from(asked.next_page, "base64url").toString() : asked.last;
    const behindLast =
      whole.findIndex((each) => each === last || Buffer.from(each).toString("base64") === last) + 1;
    const items = whole.slice(behindLast, behindLast + pages.size);
    const isEnd = behindLast + items.length === whole.length;
    const link = isEnd ? {} : { link: pages.link(server.host, path, items.at(-1) ?? "") };
    return { headers: link, body: JSON.stringify({ [name]: items }) };
  });
  return server.host;
}

async function forward({ method, headers }: SeenRequest, path: string): Promise<Reply> {
  const { accept = "*/*" } = headers;
  const answer = await fetch(`http://${behind.host}${path}`, { method, headers: { accept } });
  const body = new Uint8Array(await answer.arrayBuffer());
  const kept = ["content-type", "docker-content-digest", "content-length"].flatMap((name) => {
    const value = answer.headers.get(name);
    return value === null || (name === "content-length" && method !== "HEAD") ? [] : [[name, value] as const];
  });
  return { status: answer.status, headers: Object.fromEntries(kept), body };
}

/** A host of tokens, which knows the same accounts. */
const startTokens = async () => (await odd.serve(answerTokens)).host;

/** Logs in as a person does, and imports into an empty registry. */
async function importAs(
  { name, password }: typeof administrator | typeof robot,
  host: string,
  ...args: readonly string[]
) {
  const to = odd.keep(await serveRegistry());
  const home = await makeTemporaryFolder();
  odd.keep({ stop: () => rm(home, { recursive: true }) });
  const env = { HOME: home };
  const login = await runBerth(["login", "--username", name, "--password-stdin", host], {
    env,
    stdin: password,
  });
  expect(login).toMatchObject({ exitCode: 0 });
  const { exitCode, stdout, stderr } = await runBerth(["import", "--json", host, "--to", to.host, ...args], {
    env,
  });
  const client = createClient(to.host);
  const there: Record<string, readonly string[]> = {};
  for (const repository of (await client.listRepositories()).items) {
    there[repository] = (await client.listTags(repository)).items;
  }
  client.close();
  return { exitCode, stderr, there, report: JSON.parse(stdout.trim().split("\n").at(-1) || "null") };
}

const everything = {
  exitCode: 0,
  stderr: "",
  there: Object.fromEntries(repositories.map((name) => [name, versions])),
};

test("import takes everything from a Harbor as its administrator, and what is named as a robot account", async () => {
  const host = await start(harbor);
  expect(await importAs(administrator, host)).toMatchObject(everything);
  const unnamed = await importAs(robot, host);
  expect(unnamed).toMatchObject({ exitCode: 1, there: {} });
  expect(unnamed.stderr).toMatch(
    /does not list its repositories \(.*unauthorized to list catalog.*: name them one by one, such as/,
  );
  const list = join(folder, "list");
  await writeFile(list, `${repositories.join("\n")}\n`);
  expect(await importAs(robot, host, "--repositories", list)).toMatchObject(everything);
});

test("import says to Quay, which does not ask, who wants its list, and follows its pages", async () => {
  const host = await start(quay);
  expect(await importAs(robot, host)).toMatchObject(everything);
  const unknown = await runBerth(["import", host, "--to", "127.0.0.1:1"]);
  expect(unknown).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/without a login: log in/) });
});

test("import takes what is named from GitHub's registry, which lists nothing", async () => {
  const host = await start(github);
  const unnamed = await importAs(robot, host);
  expect(unnamed).toMatchObject({ exitCode: 1, there: {} });
  expect(unnamed.stderr).toContain("does not list its repositories");
  const named = repositories.flatMap((name) => ["--repository", name]);
  expect(await importAs(robot, host, ...named)).toMatchObject(everything);
});

test("import waits as Docker Hub asks it to, which lists nothing and has its tokens elsewhere", async () => {
  const host = await start(dockerHub(await startTokens()));
  expect((await importAs(robot, host)).stderr).toContain("does not list its repositories");
  const named = repositories.flatMap((name) => ["--repository", name]);
  expect(await importAs(robot, host, ...named)).toMatchObject(everything);
});

test("import follows Amazon's pages, and to blobs elsewhere without credentials", async () => {
  const seen: (string | undefined)[] = [];
  const blobs = await odd.serve((request) => {
    seen.push(request.headers.authorization);
    return forward(request, request.path.split("?")[0] ?? "");
  });
  expect(await importAs(administrator, await start(ecr(blobs.host)))).toMatchObject(everything);
  expect(new Set(seen)).toEqual(new Set([undefined]));
});
