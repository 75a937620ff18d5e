import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { berthProgram, runBerth, startBerthCommand } from "../fixtures/command-lines.ts";
import { makeTemporaryFolder, startProcess } from "../fixtures/processes.ts";
import { type PushedImage, pushImage } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";

setDefaultTimeout(60_000);

const settings = `
tags:
  - repositories: ["gallery/*"]
    float: [minor, major, latest]
    retain: { newest: 1 }
`;

let berth: RunningRegistry;
let folder: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  await writeFile(join(folder, "berth.yaml"), settings);
  berth = await startBerth({ args: ["--config", join(folder, "berth.yaml")] });
});
afterAll(async () => {
  await berth?.stop();
  await rm(folder, { recursive: true });
});

const env = () => ({ HOME: folder, DOCKER_CONFIG: folder });
const run = (...args: readonly string[]) => runBerth(args, { env: env(), cwd: folder });

async function succeed(...args: readonly string[]): Promise<string> {
  const result = await run(...args);
  expect(result).toMatchObject({ exitCode: 0 });
  return result.stdout;
}

const push = (repository: string, tag: string): Promise<PushedImage> =>
  pushImage(berth.url, repository, tag, [200]);

/** The lines of a table, with digests and times replaced by words. */
function rows(table: string, images: Readonly<Record<string, PushedImage>> = {}): string[] {
  let text = table;
  for (const [name, { digest }] of Object.entries(images)) text = text.replaceAll(digest.slice(7, 19), name);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME").replace(/ {3,}/g, " | "));
}

describe("berth tags", () => {
  test("ls shows a tree, and which tags are the same image", async () => {
    await push("gallery/tree", "2.1.2");
    const image = await push("gallery/tree", "2.1.3");
    const lines = (await succeed("tags", "ls", `${berth.host}/gallery/tree`)).trimEnd().split("\n");
    const cells = lines.map((line) => [line.slice(0, 13).trimEnd(), ...line.slice(13).split(/ {3,}/)]);
    expect(cells.map((row) => [row[0], row.at(-2), row.at(-1)])).toEqual([
      ["TAG", "PLATFORMS", "SAME AS"],
      ["latest", "linux/amd64", "2, 2.1, 2.1.3"],
      ["2", "linux/amd64", "2.1, 2.1.3, latest"],
      ["└─ 2.1", "linux/amd64", "2, 2.1.3, latest"],
      ["   ├─ 2.1.3", "linux/amd64", "2, 2.1, latest"],
      ["   └─ 2.1.2", "linux/amd64", "-"],
    ]);
    expect(await succeed("tags", "ls", "-q", `${berth.host}/gallery/tree`)).toBe(
      "2\n2.1\n2.1.2\n2.1.3\nlatest\n",
    );
    const json = (await succeed("tags", "ls", "--json", `${berth.host}/gallery/tree`)).trim().split("\n");
    expect(json.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ tag: "2.1.3", digest: image.digest, kind: "version" }),
    );
  });

  test("plan, log, rollback and undelete tell what moves, and why", async () => {
    const name = `${berth.host}/gallery/story`;
    const old = await push("gallery/story", "1.0.0");
    const planned = rows(await succeed("tags", "plan", name, "1.1.0"), { old });
    expect(planned).toEqual([
      "TAG | ACTION | FROM | TO | WHY",
      "1.1.0 | create | - | the new one | pushed",
      "1.1 | create | - | the new one | 1.1.0 is the highest of 1.1",
      "1 | move | old | the new one | 1.1.0 is the highest of 1",
      "latest | move | old | the new one | 1.1.0 is the highest of latest",
      "1.1.0 moved 1.1, 1, latest",
    ]);
    const image = await push("gallery/story", "1.1.0");
    const back = rows(await succeed("tags", "rollback", name), { old, image });
    expect(back).toContain("latest | move | image | old | 1.0.0 is the highest of latest");
    expect(rows(await succeed("tags", "log", `${name}:latest`), { old, image })).toEqual([
      "FROM | UNTIL | IMAGE | WHO | BY | WHY",
      "TIME | now | old | anonymous | rule | 1.0.0 is the highest of latest",
      "TIME | TIME | image | anonymous | rule | 1.1.0 is the highest of latest; until 1.0.0 is the highest of latest",
      "TIME | TIME | old | anonymous | rule | 1.0.0 is the highest of latest; until 1.1.0 is the highest of latest",
    ]);
    expect(await succeed("tags", "log", name)).toContain("rolled back");
    expect(await succeed("tags", "undelete", `${name}:1.1.0`)).toContain("brought back");
    expect((await succeed("digest", `${name}:latest`)).trim()).toBe(image.digest);
  });

  test("move and rm change single tags; what is refused ends with 1 and says why", async () => {
    const name = `${berth.host}/plain/single`;
    const one = await push("plain/single", "one");
    const two = await push("plain/single", "two");
    const dry = rows(await succeed("tags", "move", "--dry-run", `${name}:one`, "two"), { one, two });
    expect(dry[1]).toBe("one | move | one | two | moved by hand");
    expect((await succeed("digest", `${name}:one`)).trim()).toBe(one.digest);
    await succeed("tags", "move", `${name}:one`, two.digest);
    expect((await succeed("digest", `${name}:one`)).trim()).toBe(two.digest);
    await succeed("tags", "rollback", `${name}:one`);
    await succeed("tags", "rm", `${name}:one`, "two");
    const gone = await run("tags", "rm", `${name}:one`);
    expect(gone).toMatchObject({ exitCode: 1, stdout: "" });
    expect(gone.stderr).toContain("it was removed, and undelete brings it back");
    expect((await run("tags", "undelete", `${name}@${one.digest}`)).stderr).toContain(
      "nothing to bring back",
    );
    expect((await run("tags", "rm", name)).exitCode).toBe(2);
  });

  test("a tag is taken as it was with --at", async () => {
    const name = `${berth.host}/gallery/then`;
    const old = await push("gallery/then", "1.0.0");
    const then = new Date().toISOString();
    await Bun.sleep(5); // so that the next push is at another millisecond
    const image = await push("gallery/then", "1.1.0");
    expect((await succeed("digest", `${name}:latest`)).trim()).toBe(image.digest);
    expect((await succeed("digest", "--at", then, `${name}:latest`)).trim()).toBe(old.digest);
    expect(await succeed("manifest", "--at", then, `${name}:1`)).toBe(old.manifest);
    await succeed("copy", "--at", then, `${name}:latest`, `${berth.host}/plain/then`);
    expect((await succeed("digest", `${berth.host}/plain/then:latest`)).trim()).toBe(old.digest);
    const pulled = await succeed("pull", "--quiet", "--at", then, `${name}:latest`);
    expect(pulled.trim()).toBe(`${berth.host}/gallery/then@${old.digest}`);
    const before = await run("digest", "--at", "2001-01-01", `${name}:latest`);
    expect(before.stderr).toContain("had no tag latest at 2001-01-01T00:00:00.000Z");
  });

  test("plan without a version shows what expire removes", async () => {
    const name = `${berth.host}/gallery/kept`;
    for (const tag of ["1.0.0", "1.1.0"]) await push("gallery/kept", tag);
    const plan = rows(await succeed("tags", "plan", name)).map((line) =>
      line.replace(/ [0-9a-f]{12} \|/, ""),
    );
    expect(plan).toContain("1.0.0 | keep | is what 1.0 points at");
    await push("gallery/kept", "1.0.1");
    expect(await succeed("tags", "expire", "--dry-run", name)).toMatch(
      /1\.0\.0 .* remove .* is not among the newest 1/,
    );
    expect(await succeed("tags", "expire", name)).toMatch(/1\.0\.0 .* remove/);
    expect(await succeed("tags", "expire", name)).toBe("Nothing to remove\n");
  });

  test("rules are shown, and replaced by a file", async () => {
    await writeFile(join(folder, "rules.yaml"), 'tags:\n  - repositories: ["team/*"]\n    float: [latest]\n');
    expect(await succeed("tags", "rules", berth.host)).toContain("# settings 1");
    expect(await succeed("tags", "rules", "--set", "rules.yaml", berth.host)).toContain("# stored 1");
    await push("team/app", "1.0.0");
    expect(await succeed("tags", "ls", "-q", `${berth.host}/team/app`)).toBe("1.0.0\nlatest\n");
    await writeFile(join(folder, "wrong.yaml"), '- repositories: ["gallery/ui"]\n');
    const wrong = await run("tags", "rules", "--set", "wrong.yaml", berth.host);
    expect(wrong).toMatchObject({ exitCode: 1 });
    expect(wrong.stderr).toContain("can never match gallery/ui");
  });

  test("watch prints each move, runs a command, and leaves nothing out when the registry was away", async () => {
    const data = join(folder, "watched");
    const first = await startBerth({ data, args: ["--config", join(folder, "berth.yaml")] });
    const name = `${first.host}/gallery/watched`;
    const args = [
      "tags",
      "watch",
      "--since",
      "0",
      "--run",
      `echo "ran: $BERTH_ACTION $BERTH_REFERENCE $BERTH_DIGEST"`,
    ];
    const watch = startProcess(process.execPath, [berthProgram, ...args, `${name}:latest`], { env: env() });
    try {
      const one = await pushImage(first.url, "gallery/watched", "1.0.0", [200]);
      await watch.waitForOutput(new RegExp(`:latest create - -> ${one.digest.slice(7, 19)}`));
      await first.stop();
      const second = await startBerth({
        data,
        listen: first.host,
        args: ["--config", join(folder, "berth.yaml")],
      });
      const two = await pushImage(second.url, "gallery/watched", "1.1.0", [200]);
      await watch.waitForOutput(
        new RegExp(`:latest move ${one.digest.slice(7, 19)} -> ${two.digest.slice(7, 19)}`),
      );
      await watch.waitForOutput(
        new RegExp(`ran: create ${name}:latest ${one.digest}\n[^]*ran: move ${name}:latest`),
      );
      expect(await watch.stop("SIGINT")).toBe(130);
      await second.stop();
    } finally {
      await watch.stop();
    }
  });

  test("ls lists names of a registry that is no Berth", async () => {
    const other = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) =>
        request.url.endsWith("/v2/a/tags/list")
          ? Response.json({ name: "a", tags: ["1", "2"] })
          : new Response("404 page not found\n", { status: 404 }),
    });
    try {
      const listed = await startBerthCommand(["tags", "ls", `127.0.0.1:${other.port}/a`], { env: env() });
      expect(listed).toEqual({ exitCode: 0, stdout: "1\n2\n", stderr: "" });
    } finally {
      await other.stop(true);
    }
  });
});
