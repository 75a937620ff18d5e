import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BerthWithAccounts, passwordOf, startBerthWithAccounts } from "../fixtures/accounts.ts";
import { type Containerd, startContainerd } from "../fixtures/containerd.ts";
import { type DockerEngine, startDockerEngine } from "../fixtures/docker-engine.ts";
import { smallLayers, writeBuildContext } from "../fixtures/images.ts";
import { writeLayout } from "../fixtures/layouts.ts";
import { attempt, type CommandResult, makeTemporaryFolder, succeed } from "../fixtures/processes.ts";
import { isAvailable, programPath } from "../programs.ts";

setDefaultTimeout(60_000);

const words = ({ stdout, stderr }: CommandResult) => stdout + stderr;
const wanda = `wanda:${passwordOf("wanda")}`;

/** A writer for `gallery/*` and a robot that can only pull there. Resolves to the robot's token too. */
async function startWithWriterAndRobot(): Promise<{ berth: BerthWithAccounts; robot: string }> {
  const berth = await startBerthWithAccounts();
  await berth.addPerson("wanda", "writer", "gallery/*");
  return { berth, robot: await berth.addRobot("ci", "reader", "gallery/*") };
}

describe.skipIf(!isAvailable("containerd", "ctr"))("containerd with accounts", () => {
  let berth: BerthWithAccounts;
  let robot: string;
  let containerd: Containerd;

  beforeAll(async () => {
    [{ berth, robot }, containerd] = await Promise.all([startWithWriterAndRobot(), startContainerd()]);
    const { folder } = containerd;
    await writeLayout({
      folder: join(folder, "app"),
      seed: "containerd",
      layers: smallLayers,
      platforms: ["linux/amd64"],
    });
    await succeed("tar", ["-cf", join(folder, "app.tar"), "-C", join(folder, "app"), "."]);
    await run("images", "import", "--index-name", at("gallery/app:1"), join(folder, "app.tar"));
  });
  afterAll(() => Promise.all([berth?.stop(), containerd?.stop()]));

  const at = (name: string) => `${berth.host}/${name}`;
  const move = (verb: "push" | "pull", user: string, name: string) =>
    containerd.ctr(
      ...["images", verb, "--plain-http", ...(verb === "pull" ? ["--snapshotter", "native"] : [])],
      ...(user === "" ? [] : ["--user", user]),
      at(name),
    );
  const run = async (...args: readonly string[]) => {
    const result = await containerd.ctr(...args);
    expect(result).toMatchObject({ exitCode: 0 });
  };

  test("ctr pushes with a password and pulls with a robot's token what their roles allow", async () => {
    expect(await move("push", wanda, "gallery/app:1")).toMatchObject({ exitCode: 0 });
    await run("images", "rm", "--sync", at("gallery/app:1"));
    expect(await move("pull", `ci:${robot}`, "gallery/app:1")).toMatchObject({ exitCode: 0 });
  });

  test("ctr is refused what its login may not do, and a wrong password", async () => {
    for (const [user, name] of [
      [wanda, "secret/app:1"],
      [`ci:${robot}`, "gallery/mine:1"],
    ] as const) {
      await run("images", "tag", at("gallery/app:1"), at(name));
      const refused = await move("push", user, name);
      expect(refused.exitCode).toBe(1);
      expect(words(refused)).toMatch(/403 Forbidden|may not push/);
    }
    for (const [user, said] of [
      ["", /authorization failed/],
      ["wanda:not hers", /401 Unauthorized/],
    ] as const) {
      const refused = await move("pull", user, "gallery/app:1");
      expect(refused.exitCode).toBe(1);
      expect(words(refused)).toMatch(said);
    }
  });
});

function buildKitTests(): void {
  let berth: BerthWithAccounts;
  let robot: string;
  let engine: DockerEngine;
  let folder: string;

  beforeAll(async () => {
    // Only with containerd's store does BuildKit push itself, and keep its cache in registries.
    [{ berth, robot }, engine, folder] = await Promise.all([
      startWithWriterAndRobot(),
      startDockerEngine({ newer: "containerd" }),
      makeTemporaryFolder(),
    ]);
    await writeBuildContext({ folder: join(folder, "app"), seed: "buildkit", layers: smallLayers });
    await writeFile(join(folder, "Dockerfile"), `FROM ${berth.host}/gallery/app:1\nLABEL made=on-it\n`);
  });
  afterAll(async () => {
    await Promise.all([berth?.stop(), engine?.stop()]);
    await rm(folder, { recursive: true, force: true });
  });

  const build = (...args: readonly string[]) =>
    attempt(programPath("docker-buildx"), ["build", ...args], { env: engine.env });
  const logIn = async (name: string, password: string) => {
    const secret = join(folder, "secret");
    await writeFile(secret, password);
    const script = `'${programPath("docker")}' login -u ${name} --password-stdin ${berth.host} < ${secret}`;
    expect(words(await engine.attemptShell(script))).toContain("Login Succeeded");
  };
  /** A build upon what is at the registry, which is looked at again. */
  const derive = (...args: readonly string[]) =>
    build("--pull", "--no-cache", "--file", join(folder, "Dockerfile"), ...args, join(folder, "app"));

  test("BuildKit pushes images and its cache with docker's login, as far as that may", async () => {
    await logIn("wanda", passwordOf("wanda"));
    const cache = ["--cache-to", `type=registry,ref=${berth.host}/gallery/cache:1`];
    const app = await build("--push", "--tag", `${berth.host}/gallery/app:1`, ...cache, join(folder, "app"));
    expect(app).toMatchObject({ exitCode: 0 });
    const { tags } = (await (
      await fetch(`${berth.url}/v2/gallery/cache/tags/list`, { headers: { authorization: berth.admin } })
    ).json()) as { tags: string[] }; // as the specification says
    expect(tags).toEqual(["1"]);
    const refused = await derive("--push", "--tag", `${berth.host}/secret/app:1`);
    expect(refused.exitCode).toBe(1);
    expect(words(refused)).toContain("wanda may not push to secret/app: that needs the role writer there");
  });

  test("BuildKit builds upon what its login may pull, and not without one", async () => {
    await logIn("ci", robot);
    expect(await derive("--tag", "derived")).toMatchObject({ exitCode: 0 });
    const refused = await derive("--push", "--tag", `${berth.host}/gallery/mine:1`);
    expect(words(refused)).toContain("ci may not push to gallery/mine");
    await engine.docker("logout", berth.host);
    const anonymous = await derive("--tag", "derived");
    expect(anonymous.exitCode).toBe(1);
    expect(words(anonymous)).toContain("authorization failed");
  });
}

// Not in Debian's stable release, so nobody is asked to have it.
if (isAvailable("docker-buildx", "newer-dockerd", "docker"))
  describe("BuildKit with accounts", buildKitTests);
