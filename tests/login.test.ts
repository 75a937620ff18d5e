import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { berthProgram, startBerthCommand } from "./fixtures/command-lines.ts";
import { type ContainerTools, makeContainerTools } from "./fixtures/container-tools.ts";
import { type DockerEngine, startDockerEngine } from "./fixtures/docker-engine.ts";
import { writeLayout } from "./fixtures/layouts.ts";
import { type CommandResult, makeTemporaryFolder } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth, startDockerRegistry } from "./fixtures/registries.ts";
import { startInTerminal } from "./fixtures/terminals.ts";
import { isAvailable } from "./programs.ts";

setDefaultTimeout(60_000);

const user = "alice";
const password = 'p"ä:s s\\word';

describe.skipIf(!isAvailable("docker-registry"))("berth login", () => {
  let registry: RunningRegistry;
  let folder: string;

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    registry = await startDockerRegistry({ users: { [user]: password } });
  });
  afterAll(async () => {
    await registry?.stop();
    await rm(folder, { recursive: true });
  });

  type Env = Readonly<Record<string, string | undefined>>;

  /** An environment with a home in which nobody has logged in yet. */
  async function newHome(): Promise<Env> {
    return homeIn(await mkdtemp(join(folder, "home-")));
  }

  function homeIn(home: string): Env {
    return {
      HOME: home,
      DOCKER_CONFIG: undefined,
      REGISTRY_AUTH_FILE: undefined,
      XDG_RUNTIME_DIR: join(home, "run"),
      XDG_CONFIG_HOME: undefined,
    };
  }

  const berth = (env: Env, ...args: string[]) => startBerthCommand(args, { env });
  const logIn = (env: Env, secret = password): Promise<CommandResult> =>
    startBerthCommand(["login", "--username", user, "--password-stdin", registry.host], {
      env,
      stdin: `${secret}\n`,
    });

  test("login keeps what docker would keep, for nobody else to read", async () => {
    const env = await newHome();
    const { exitCode, stdout, stderr } = await logIn(env);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "Login Succeeded\n" });
    const file = join(String(env.HOME), ".docker", "config.json");
    expect(stderr).toContain(`kept unencrypted in ${file}`);
    const auth = Buffer.from(`${user}:${password}`).toString("base64");
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual({ auths: { [registry.host]: { auth } } });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await berth(env, "repo", "ls", registry.host)).exitCode).toBe(0);
  });

  test("login keeps nothing and says what was refused when the password is wrong", async () => {
    const env = await newHome();
    const { exitCode, stdout, stderr } = await logIn(env, "wrong");
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toBe(
      `berth: cannot log in to ${registry.host}: it refused the user name or password (401): check both\n`,
    );
    expect(stderr).not.toContain("wrong");
    expect(await Bun.file(join(String(env.HOME), ".docker", "config.json")).exists()).toBe(false);
  });

  test("login keeps the old login when a new password is wrong", async () => {
    const env = await newHome();
    await logIn(env);
    expect((await logIn(env, "wrong")).exitCode).toBe(1);
    expect((await berth(env, "repo", "ls", registry.host)).exitCode).toBe(0);
  });

  test("login tries what is kept before it asks anybody", async () => {
    const env = await newHome();
    await logIn(env);
    expect(await berth(env, "login", registry.host)).toEqual({
      exitCode: 0,
      stdout: "Login Succeeded\n",
      stderr: "Authenticating with existing credentials...\n",
    });
  });

  test.each([
    [["login", "--password-stdin"], "--password-stdin needs --username"],
    [["login", "-u", "a", "-p", "b", "--password-stdin"], "exclude each other"],
    [["login", "example.com"], "standard input is no terminal"],
    [["login", "-u", "a", "--password-stdin", "example.com"], "the password is empty"],
    [["login", "no registry"], "invalid registry"],
  ])("login refuses %p as wrong usage", async (args, message) => {
    const { exitCode, stderr } = await berth(await newHome(), ...args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(message);
  });

  test("login warns of a password on the command line", async () => {
    const env = await newHome();
    const { exitCode, stderr } = await berth(env, "login", "-u", user, "-p", password, registry.host);
    expect(exitCode).toBe(0);
    expect(stderr).toContain("--password can be seen by others on this machine: use --password-stdin");
    expect(stderr).not.toContain(password);
  });

  test("login asks on a terminal and does not show the password", async () => {
    const env = await newHome();
    const terminal = startInTerminal(process.execPath, [berthProgram, "login", registry.host], { env });
    try {
      await terminal.waitForText(/Username: $/);
      terminal.write(`${user}\r`);
      await terminal.waitForText(/Password: $/);
      terminal.write(`${password}\r`);
      expect(await terminal.exited).toBe(0);
      expect(terminal.output()).toContain("Login Succeeded");
      expect(terminal.output()).toContain(user);
      expect(terminal.output()).not.toContain("\\word");
    } finally {
      await terminal.close();
    }
    expect((await berth(env, "repo", "ls", registry.host)).exitCode).toBe(0);
  });

  test("login ends with exit code 130 and keeps nothing when Ctrl-C is typed instead of a password", async () => {
    const env = await newHome();
    const terminal = startInTerminal(process.execPath, [berthProgram, "login", "-u", user, registry.host], {
      env,
    });
    try {
      await terminal.waitForText(/Password: $/);
      terminal.write("abc\u0003");
      expect(await terminal.exited).toBe(130);
    } finally {
      await terminal.close();
    }
    expect(await Bun.file(join(String(env.HOME), ".docker", "config.json")).exists()).toBe(false);
  });

  test("login says that nothing was verified when the registry lets everybody in", async () => {
    const open = await startDockerRegistry();
    try {
      const env = await newHome();
      const { exitCode, stderr } = await startBerthCommand(
        ["login", "-u", user, "--password-stdin", "--json", open.host],
        { env, stdin: "anything" },
      );
      expect(exitCode).toBe(0);
      expect(stderr).toContain(`${open.host} did not ask who logs in`);
    } finally {
      await open.stop();
    }
  });

  test("logout forgets the login and says so, and that there was none the next time", async () => {
    const env = await newHome();
    await logIn(env);
    expect((await berth(env, "logout", registry.host)).stdout).toBe(
      `Removing login credentials for ${registry.host}\n`,
    );
    const { exitCode, stderr } = await berth(env, "repo", "ls", registry.host);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${registry.host} wants to know who asks: log in`);
    expect(await berth(env, "logout", registry.host)).toEqual({
      exitCode: 0,
      stdout: `Not logged in to ${registry.host}\n`,
      stderr: "",
    });
  });

  test("login keeps a token instead of the password when the registry gives one", async () => {
    const env = await newHome();
    const settings = join(String(env.HOME), "berth.yaml");
    await Bun.write(join(String(env.HOME), "password"), password);
    const access = { open: "none", "admin-password-file": join(String(env.HOME), "password") };
    await Bun.write(settings, JSON.stringify({ access })); // JSON is YAML
    const server = await startBerth({ args: ["--config", settings] });
    try {
      const args = ["login", "-u", "admin", "--password-stdin", server.host];
      expect((await startBerthCommand(args, { env, stdin: password })).exitCode).toBe(0);
      const { auths } = await Bun.file(join(String(env.HOME), ".docker", "config.json")).json();
      const kept = auths[server.host];
      expect(kept).toEqual({
        auth: Buffer.from("admin:").toString("base64"),
        identitytoken: expect.any(String),
      });
      const repository = `${server.host}/team/app`;
      expect((await berth(env, "tags", "ls", repository)).stderr).toContain(
        "there is no repository team/app",
      );
      expect((await berth(await newHome(), "tags", "ls", repository)).stderr).toContain(
        `: log in to ${server.host}\n`,
      );
    } finally {
      await server.stop();
    }
  });

  describe.skipIf(!isAvailable("skopeo", "podman"))("with skopeo and podman", () => {
    let tools: ContainerTools;
    let image: string;

    beforeAll(async () => {
      tools = await makeContainerTools([registry.host]);
      image = `${registry.host}/private/image:1`;
      const layout = join(tools.folder, "layout");
      await writeLayout({ folder: layout, seed: "login", layers: [100], platforms: ["linux/amd64"] });
      const credentials = ["--dest-creds", `${user}:${password}`];
      await tools.skopeo("copy", ...credentials, `oci:${layout}:latest`, `docker://${image}`);
    });
    afterAll(() => tools?.remove());

    const authFile = () => join(tools.folder, "runtime", "containers", "auth.json");
    const isLoggedIn = {
      skopeo: async () => (await tools.attemptSkopeo("inspect", `docker://${image}`)).exitCode === 0,
      podman: async () => (await tools.attemptPodman("pull", image)).exitCode === 0,
      berth: async () => (await berth(tools.env, "digest", image)).exitCode === 0,
    };

    test("skopeo and podman use what berth login kept, until berth logout", async () => {
      for (const program of Object.values(isLoggedIn)) expect(await program()).toBe(false);
      expect((await logIn(tools.env)).exitCode).toBe(0);
      for (const program of Object.values(isLoggedIn)) expect(await program()).toBe(true);
      await berth(tools.env, "logout", registry.host);
      for (const program of Object.values(isLoggedIn)) expect(await program()).toBe(false);
    });

    test.each(["skopeo", "podman"] as const)(
      "berth uses what %s login kept, until its logout",
      async (name) => {
        const run = name === "skopeo" ? tools.skopeo : tools.podman;
        await run("login", "--username", user, "--password", password, registry.host);
        expect(await Bun.file(authFile()).exists()).toBe(true);
        expect(await isLoggedIn.berth()).toBe(true);
        const { stderr } = await berth(tools.env, "logout", registry.host);
        expect(stderr).toContain(`${authFile()} still has a login to ${registry.host}`);
        await run("logout", registry.host);
        expect(await isLoggedIn.berth()).toBe(false);
      },
    );
  });

  describe.skipIf(!isAvailable("dockerd", "docker", "skopeo"))("with docker", () => {
    let engine: DockerEngine;
    let env: Env;
    let image: string;

    beforeAll(async () => {
      engine = await startDockerEngine();
      env = { ...(await newHome()), DOCKER_CONFIG: engine.configFolder };
      image = `${registry.host}/private/docker:1`;
      const context = join(folder, "context");
      await Bun.write(join(context, "Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n");
      await engine.docker("build", "--quiet", "--tag", image, context);
    });
    afterAll(() => engine?.stop());

    test("docker pushes with what berth login kept, until berth logout", async () => {
      expect((await engine.attemptDocker("push", image)).exitCode).toBe(1);
      await logIn(env);
      expect((await engine.attemptDocker("push", image)).exitCode).toBe(0);
      await berth(env, "logout", registry.host);
      expect((await engine.attemptDocker("push", image)).exitCode).toBe(1);
    });

    test("berth uses what docker login kept, until docker logout", async () => {
      expect((await berth(env, "repo", "ls", registry.host)).exitCode).toBe(1);
      await engine.docker("login", "--username", user, "--password", password, registry.host);
      expect((await berth(env, "repo", "ls", registry.host)).exitCode).toBe(0);
      await engine.docker("logout", registry.host);
      expect((await berth(env, "repo", "ls", registry.host)).exitCode).toBe(1);
    });
  });
});
