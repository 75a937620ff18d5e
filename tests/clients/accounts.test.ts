import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BerthWithAccounts, passwordOf, startBerthWithAccounts } from "../fixtures/accounts.ts";
import { type ContainerTools, makeContainerTools } from "../fixtures/container-tools.ts";
import { type DockerEngine, startDockerEngine } from "../fixtures/docker-engine.ts";
import { smallLayers, writeBuildContext } from "../fixtures/images.ts";
import { attempt, type CommandResult, makeTemporaryFolder, succeed } from "../fixtures/processes.ts";
import { isAvailable, programPath } from "../programs.ts";

setDefaultTimeout(120_000);

const words = ({ stdout, stderr }: CommandResult) => stdout + stderr;

describe.skipIf(!isAvailable("dockerd") || !isAvailable("docker"))("docker with accounts", () => {
  let berth: BerthWithAccounts;
  let engine: DockerEngine;
  let folder: string;
  let robot: string;

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    [berth, engine] = await Promise.all([startBerthWithAccounts(), startDockerEngine()]);
    await berth.addPerson("wanda", "writer", "gallery/*");
    await berth.addPerson("max", "maintainer", "gallery/*");
    robot = await berth.addRobot("ci", "reader", "gallery/*");
    const context = await writeBuildContext({
      folder: join(folder, "app"),
      seed: "app",
      layers: smallLayers,
    });
    await engine.docker("build", "--quiet", "--tag", "app", context);
    await engine.docker("build", "--quiet", "--label", "other=1", "--tag", "other", context);
  });
  afterAll(async () => {
    await Promise.all([berth?.stop(), engine?.stop()]);
    await rm(folder, { recursive: true, force: true });
  });

  /** Logs in with the client, which keeps what it needs to do so again. */
  async function logIn(name: string, password: string): Promise<CommandResult> {
    const secret = join(folder, "secret");
    await writeFile(secret, password);
    const script = `docker login --username ${name} --password-stdin ${berth.host} < ${secret}`;
    return engine.attemptShell(script.replace("docker", programPath("docker")));
  }
  const tag = async (image: string, name: string) => {
    await engine.docker("tag", image, `${berth.host}/${name}`);
    return `${berth.host}/${name}`;
  };

  test("docker login takes a password, keeps no password, and docker pushes and pulls what its role allows", async () => {
    expect(words(await logIn("wanda", passwordOf("wanda")))).toContain("Login Succeeded");
    const config = await readFile(join(engine.configFolder, "config.json"), "utf8");
    expect(config).toContain("identitytoken");
    expect(Buffer.from(config.match(/"auth": "([^"]*)"/)?.[1] ?? "", "base64").toString()).not.toContain(
      "password",
    );

    const reference = await tag("app", "gallery/app:1.0");
    await engine.docker("push", reference);
    await engine.docker("image", "rm", "--force", reference);
    await engine.docker("pull", reference);

    const elsewhere = await engine.attemptDocker("push", await tag("app", "secret/app:1.0"));
    expect(elsewhere.exitCode).toBe(1);
    expect(words(elsewhere)).toContain("wanda may not push to secret/app: that needs the role writer there");
  });

  test("docker push of a tag that is there is for a maintainer", async () => {
    const reference = await tag("other", "gallery/app:1.0");
    const refused = await engine.attemptDocker("push", reference);
    expect(words(refused)).toContain("wanda may not move tags of gallery/app");
    expect(words(await logIn("max", passwordOf("max")))).toContain("Login Succeeded");
    await engine.docker("push", reference);
  });

  test("a robot that may only pull pulls with its token, and no more", async () => {
    expect(words(await logIn("ci", robot))).toContain("Login Succeeded");
    await engine.docker("pull", `${berth.host}/gallery/app:1.0`);
    const refused = await engine.attemptDocker("push", await tag("app", "gallery/mine:1"));
    expect(words(refused)).toContain("ci may not push to gallery/mine: that needs the role writer there");
    // What is hidden and what is not there look alike.
    await engine.docker("tag", "app", `${berth.host}/secret/app:1.0`);
    const hidden = await engine.attemptDocker("pull", `${berth.host}/secret/app:1.0`);
    const absent = await engine.attemptDocker("pull", `${berth.host}/absent/app:1.0`);
    expect(words(hidden).replaceAll("secret", "NAME")).toBe(words(absent).replaceAll("absent", "NAME"));
  });

  test("docker login takes a personal token, which keeps to its limits", async () => {
    const made = (await berth.manage("POST", "/accounts/wanda/tokens", {
      name: "laptop",
      limits: [{ repositories: "gallery/app", actions: ["pull"] }],
    })) as { id: string; secret: string };
    expect(words(await logIn("wanda", made.secret))).toContain("Login Succeeded");
    await engine.docker("pull", `${berth.host}/gallery/app:1.0`);
    const refused = await engine.attemptDocker("push", await tag("app", "gallery/mine:1"));
    expect(words(refused)).toContain("the token that was used is limited, use another");
    await berth.manage("DELETE", `/accounts/wanda/tokens/${made.id}`);
    expect((await engine.attemptDocker("pull", `${berth.host}/gallery/app:1.0`)).exitCode).toBe(1);
  });

  test("docker login is refused with a wrong password, and docker pull without a login", async () => {
    const wrong = await logIn("wanda", "not hers");
    expect(wrong.exitCode).toBe(1);
    expect(words(wrong)).toContain("the user name or the password is wrong");
    await engine.docker("logout", berth.host);
    const refused = await engine.attemptDocker("pull", `${berth.host}/gallery/app:1.0`);
    expect(words(refused)).toMatch(/log in to pull from gallery\/app|unauthorized|access denied/);
  });

  test("docker pull needs no login for what is public", async () => {
    await berth.grant("public", "reader", "gallery/app");
    await engine.docker("pull", `${berth.host}/gallery/app:1.0`);
  });

  test("the record has all of it, and no secret", async () => {
    const { entries } = (await berth.manage("GET", "/audit?n=1000")) as { entries: Record<string, string>[] };
    const has = (expected: object) => expect(entries).toContainEqual(expect.objectContaining(expected));
    has({ actor: "wanda", action: "push", outcome: "done", repository: "gallery/app", subject: "1.0" });
    has({ actor: "wanda", action: "push", outcome: "refused", repository: "secret/app" });
    has({ actor: "max", action: "push", outcome: "done", repository: "gallery/app", subject: "1.0" });
    has({ actor: "ci", action: "pull", outcome: "done", repository: "gallery/app" });
    has({ actor: "ci", action: "push", outcome: "refused", repository: "gallery/mine" });
    has({ actor: "ci", action: "pull", outcome: "refused", repository: "secret/app" });
    has({ actor: "anonymous", action: "login", outcome: "refused", subject: "wanda" });
    const printed =
      JSON.stringify(entries) + berth.process.output().replace(/^The first account is .*$/m, "");
    for (const secret of [robot, passwordOf("wanda"), passwordOf("max"), "not hers", berth.adminPassword])
      expect(printed).not.toContain(secret);
    expect(printed).not.toMatch(/berth_(pat|robot|refresh)_|eyJ/);
  });
});

describe.skipIf(!isAvailable("skopeo") || !isAvailable("podman"))("skopeo and podman with accounts", () => {
  let berth: BerthWithAccounts;
  let tools: ContainerTools;
  let robot: string;

  beforeAll(async () => {
    berth = await startBerthWithAccounts();
    await berth.addPerson("wanda", "writer", "gallery/*");
    robot = await berth.addRobot("ci", "reader", "gallery/*");
    tools = await makeContainerTools([berth.host]);
    const context = join(tools.folder, "context");
    await mkdir(context);
    await writeBuildContext({ folder: context, seed: "podman", layers: smallLayers });
    await tools.buildah("bud", "--quiet", "--tag", "localhost/app:1", context);
  });
  afterAll(async () => {
    await Promise.all([berth?.stop(), tools?.remove()]);
  });

  test("podman login, push and pull do what each may", async () => {
    await tools.podman("login", "--username", "wanda", "--password", passwordOf("wanda"), berth.host);
    await tools.podman("push", "localhost/app:1", `${berth.host}/gallery/app:1`);
    const refused = await tools.attemptPodman("push", "localhost/app:1", `${berth.host}/secret/app:1`);
    expect(refused.exitCode).not.toBe(0);
    expect(words(refused)).toMatch(/denied|may not push/);
    await tools.podman("login", "--username", "ci", "--password", robot, berth.host);
    await tools.podman("pull", `${berth.host}/gallery/app:1`);
    expect(
      (await tools.attemptPodman("push", "localhost/app:1", `${berth.host}/gallery/mine:1`)).exitCode,
    ).not.toBe(0);
    await tools.podman("logout", berth.host);
  });

  test("skopeo copies, lists and inspects with credentials, and not without", async () => {
    const source = `docker://${berth.host}/gallery/app:1`;
    const credentials = ["--creds", `ci:${robot}`];
    expect(await tools.skopeo("inspect", ...credentials, source)).toContain("gallery/app");
    expect(
      await tools.skopeo("list-tags", ...credentials, source.replace(":1", ":1").slice(0, -2)),
    ).toContain('"1"');
    expect((await tools.attemptSkopeo("inspect", source)).exitCode).not.toBe(0);
    const copy = (target: string, secret: string) =>
      tools.attemptSkopeo(
        "copy",
        "--src-creds",
        `ci:${robot}`,
        "--dest-creds",
        secret,
        source,
        `docker://${berth.host}/${target}`,
      );
    expect((await copy("gallery/copy:1", `wanda:${passwordOf("wanda")}`)).exitCode).toBe(0);
    expect((await copy("gallery/copy:2", `ci:${robot}`)).exitCode).not.toBe(0);
    expect((await copy("secret/copy:1", `wanda:${passwordOf("wanda")}`)).exitCode).not.toBe(0);
  });

  test.skipIf(!isAvailable("crane"))("crane lists, copies and deletes what its login may", async () => {
    const env = { DOCKER_CONFIG: join(tools.folder, "crane"), HOME: tools.folder };
    const crane = (...args: string[]) => attempt(programPath("crane"), [...args, "--insecure"], { env });
    await succeed(programPath("crane"), ["auth", "login", berth.host, "-u", "ci", "-p", robot], { env });
    expect((await crane("catalog", berth.host)).stdout).toContain("gallery/app");
    expect((await crane("ls", `${berth.host}/gallery/app`)).stdout).toContain("1");
    const denied = await crane("copy", `${berth.host}/gallery/app:1`, `${berth.host}/gallery/crane:1`);
    expect(denied.exitCode).not.toBe(0);
    expect(words(denied)).toContain("ci may not push to gallery/crane");
    expect((await crane("delete", `${berth.host}/gallery/app:1`)).exitCode).not.toBe(0);
    await succeed(
      programPath("crane"),
      ["auth", "login", berth.host, "-u", "wanda", "-p", passwordOf("wanda")],
      { env },
    );
    expect(
      (await crane("copy", `${berth.host}/gallery/app:1`, `${berth.host}/gallery/crane:1`)).exitCode,
    ).toBe(0);
  });

  test.skipIf(!isAvailable("oras"))("oras pushes, attaches and discovers what its login may", async () => {
    const env = { DOCKER_CONFIG: join(tools.folder, "oras"), HOME: tools.folder };
    const oras = (...args: string[]) => attempt(programPath("oras"), args, { env, cwd: tools.folder });
    await writeFile(join(tools.folder, "notes.txt"), "notes");
    const logIn = (name: string, secret: string) =>
      oras("login", berth.host, "--plain-http", "-u", name, "-p", secret);
    expect((await logIn("wanda", passwordOf("wanda"))).exitCode).toBe(0);
    const target = `${berth.host}/gallery/notes:1`;
    expect((await oras("push", "--plain-http", target, "notes.txt:text/plain")).exitCode).toBe(0);
    const attached = await oras(
      "attach",
      "--plain-http",
      "--artifact-type",
      "text/x",
      target,
      "notes.txt:text/plain",
    );
    expect(attached.exitCode).toBe(0);
    expect(
      (await oras("push", "--plain-http", `${berth.host}/secret/notes:1`, "notes.txt")).exitCode,
    ).not.toBe(0);
    expect((await logIn("ci", robot)).exitCode).toBe(0);
    expect((await oras("discover", "--plain-http", target)).stdout).toContain("text/x");
    const denied = await oras("push", "--plain-http", `${berth.host}/gallery/notes:2`, "notes.txt");
    expect(words(denied)).toContain("ci may not push to gallery/notes");
    expect((await logIn("ci", "not it")).exitCode).not.toBe(0);
  });
});
