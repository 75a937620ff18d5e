import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeTemporaryFolder } from "../../tests/fixtures/processes.ts";
import { errorOf } from "../registry/contract/fixtures.ts";
import {
  type DockerLoginOptions,
  dockerCredentials,
  eraseLogin,
  listLogins,
  storeLogin,
} from "./docker-credentials.ts";

let home: string;
let environment: Record<string, string | undefined>;
let options: DockerLoginOptions;
let config: string;

beforeEach(async () => {
  home = await makeTemporaryFolder();
  environment = { PATH: `${home}/bin:${process.env.PATH}` };
  options = { environment, homeFolder: home };
  config = join(home, ".docker", "config.json");
  await mkdir(join(home, ".docker"));
  await mkdir(join(home, "bin"));
});
afterEach(() => rm(home, { recursive: true }));

const base64 = (text: string) => Buffer.from(text).toString("base64");
const write = (value: unknown, path = config) => writeFile(path, JSON.stringify(value));
const read = async (path = config): Promise<unknown> => JSON.parse(await readFile(path, "utf8"));
const find = (registry: string, repository?: string) =>
  dockerCredentials({ ...options, ...(repository ? { repository } : {}) })(registry);

/** A credential helper that keeps each login in a file, and notes how it was called. */
async function installHelper(name: string): Promise<string> {
  const folder = join(home, name);
  await mkdir(folder);
  const script = `#!/bin/sh
cd ${folder} && echo "$1" >> calls && input=$(cat)
file() { printf %s "$1" | tr / _; }
case "$1" in
  get) cat "$(file "$input")" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
  store) key=$(printf %s "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/'); printf %s "$input" > "$(file "$key")" ;;
  erase) rm "$(file "$input")" ;;
  list) echo '{"https://index.docker.io/v1/":"ada"}' ;;
esac
`;
  await writeFile(join(home, "bin", `docker-credential-${name}`), script);
  await chmod(join(home, "bin", `docker-credential-${name}`), 0o755);
  return folder;
}

describe("dockerCredentials", () => {
  test("dockerCredentials finds nothing when there is no file", async () => {
    expect(await find("docker.io")).toBeUndefined();
  });

  test("dockerCredentials reads every form of an entry", async () => {
    await write({
      auths: {
        "https://index.docker.io/v1/": { auth: base64("ada:pass:word") },
        "plain.example.com": { username: "ada", password: "secret" },
        "identity.example.com": { auth: base64("ada:"), identitytoken: "refresh" },
        "nobody.example.com": { identitytoken: "refresh" },
        "token.example.com": { registrytoken: "bearer" },
        "padded.example.com": { auth: base64("ada:secret\0\0") },
        "https://old.example.com/v1/": { auth: base64("ada:old") },
        "empty.example.com": {},
      },
    });
    expect(await find("docker.io")).toEqual({ username: "ada", password: "pass:word" });
    expect(await find("plain.example.com")).toEqual({ username: "ada", password: "secret" });
    expect(await find("identity.example.com")).toEqual({ username: "ada", refreshToken: "refresh" });
    expect(await find("nobody.example.com")).toEqual({ refreshToken: "refresh" });
    expect(await find("token.example.com")).toEqual({ registryToken: "bearer" });
    expect(await find("padded.example.com")).toEqual({ username: "ada", password: "secret" });
    expect(await find("old.example.com")).toEqual({ username: "ada", password: "old" });
    expect(await find("empty.example.com")).toBeUndefined();
    expect(await find("other.example.com")).toBeUndefined();
  });

  test("dockerCredentials prefers the login that is closest to the repository", async () => {
    await write({
      auths: { "quay.io": { auth: base64("all:1") }, "quay.io/team": { auth: base64("team:2") } },
    });
    expect(await find("quay.io", "team/app")).toEqual({ username: "team", password: "2" });
    expect(await find("quay.io", "teams/app")).toEqual({ username: "all", password: "1" });
    expect(await find("quay.io")).toEqual({ username: "all", password: "1" });
  });

  test("dockerCredentials reads podman's file when docker's has nothing", async () => {
    environment.XDG_RUNTIME_DIR = join(home, "run");
    await mkdir(join(home, "run", "containers"), { recursive: true });
    await write(
      { auths: { "docker.io": { auth: base64("pod:man") } } },
      join(home, "run/containers/auth.json"),
    );
    await write({ auths: { "quay.io": { auth: base64("doc:ker") } } });
    expect(await find("docker.io")).toEqual({ username: "pod", password: "man" });
    expect(await find("quay.io")).toEqual({ username: "doc", password: "ker" });
  });

  test("dockerCredentials reads the file of REGISTRY_AUTH_FILE alone when that is set", async () => {
    environment.REGISTRY_AUTH_FILE = join(home, "auth.json");
    await write({ auths: { "quay.io": { auth: base64("doc:ker") } } });
    expect(await find("quay.io")).toBeUndefined();
    await write({ auths: { "quay.io": { auth: base64("own:file") } } }, join(home, "auth.json"));
    expect(await find("quay.io")).toEqual({ username: "own", password: "file" });
  });

  test("dockerCredentials reads the folder of DOCKER_CONFIG", async () => {
    environment.DOCKER_CONFIG = join(home, "elsewhere");
    await mkdir(environment.DOCKER_CONFIG);
    await write({ auths: { "quay.io": { auth: base64("a:b") } } }, join(home, "elsewhere/config.json"));
    expect(await find("quay.io")).toEqual({ username: "a", password: "b" });
  });

  test("dockerCredentials asks the registry's helper, and the general one for all others", async () => {
    const [own, general] = [await installHelper("own"), await installHelper("general")];
    await write({ credsStore: "general", credHelpers: { "quay.io": "own" } });
    await writeFile(join(own, "quay.io"), '{"ServerURL":"quay.io","Username":"ada","Secret":"1"}');
    await writeFile(
      join(general, "https:__index.docker.io_v1_"),
      '{"Username":"<token>","Secret":"refresh"}',
    );
    expect(await find("quay.io")).toEqual({ username: "ada", password: "1" });
    expect(await find("docker.io")).toEqual({ refreshToken: "refresh" });
    expect(await find("nowhere.example.com")).toBeUndefined();
  });

  test("dockerCredentials says which helper is missing", async () => {
    await write({ credsStore: "absent" });
    const { message } = await errorOf(find("quay.io") as Promise<unknown>, "UNSUPPORTED");
    expect(message).toContain("docker-credential-absent");
    expect(message).toContain(config);
    expect(message).toContain("not installed");
  });

  test("dockerCredentials runs no helper that is elsewhere", async () => {
    await write({ credsStore: "../../evil" });
    await errorOf(find("quay.io") as Promise<unknown>, "UNSUPPORTED");
  });

  test("dockerCredentials does not show what is in a file that it cannot use", async () => {
    await writeFile(config, '{"auths": {"quay.io": {"auth": "c2VjcmV0');
    const { message } = await errorOf(find("quay.io") as Promise<unknown>, "UNSUPPORTED");
    expect(message).toContain(config);
    expect(message).not.toContain("c2VjcmV0");
    await write({ auths: { "quay.io": { auth: base64("secret") } } });
    const other = await errorOf(find("quay.io") as Promise<unknown>, "UNSUPPORTED");
    expect(other.message).toContain('"quay.io"');
    expect(other.message).not.toContain(base64("secret"));
  });
});

describe("storeLogin", () => {
  const ada = { username: "ada", password: "pass:word" };

  test("storeLogin makes a file that only its owner can read, as docker writes it", async () => {
    await rm(join(home, ".docker"), { recursive: true });
    expect(await storeLogin("docker.io", ada, options)).toEqual({ file: config });
    const text = await readFile(config, "utf8");
    expect(text).toBe(
      `{\n\t"auths": {\n\t\t"https://index.docker.io/v1/": {\n\t\t\t"auth": "${base64("ada:pass:word")}"\n\t\t}\n\t}\n}`,
    );
    expect((await stat(config)).mode & 0o777).toBe(0o600);
    expect((await stat(join(home, ".docker"))).mode & 0o777).toBe(0o700);
    expect(await find("docker.io")).toEqual(ada);
  });

  test("storeLogin keeps what else is in the file, and its indentation", async () => {
    const before = `{\n    "psFormat": "table",\n    "auths": {\n        "quay.io": {\n            "auth": "eA=="\n        }\n    },\n    "plugins": {\n        "x": 1\n    }\n}\n`;
    await writeFile(config, before, { mode: 0o644 });
    await storeLogin("r.example.com", ada, options);
    expect((await stat(config)).mode & 0o777).toBe(0o600);
    expect(await eraseLogin("r.example.com", options)).toEqual({ erased: [{ file: config }], remaining: [] });
    expect(await readFile(config, "utf8")).toBe(before);
    expect(await readdir(join(home, ".docker"))).toEqual(["config.json"]);
  });

  test("storeLogin writes to where a symbolic link leads, also when nothing is there yet", async () => {
    await symlink(join("..", "real.json"), config);
    for (const password of ["1", "2"]) {
      await storeLogin("quay.io", { username: "ada", password }, options);
      expect(await read(join(home, "real.json"))).toEqual({
        auths: { "quay.io": { auth: base64(`ada:${password}`) } },
      });
    }
  });

  test("storeLogin stores a token in the form that docker reads", async () => {
    await storeLogin("quay.io", { refreshToken: "refresh", username: "ada" }, options);
    expect(await read()).toEqual({
      auths: { "quay.io": { auth: base64("ada:"), identitytoken: "refresh" } },
    });
    expect(await find("quay.io")).toEqual({ refreshToken: "refresh", username: "ada" });
  });

  test("storeLogin gives a helper the login and notes an empty entry", async () => {
    await installHelper("keys");
    await write({ credsStore: "keys" });
    expect(await storeLogin("quay.io", ada, options)).toEqual({ file: config, helper: "keys" });
    expect(await read()).toEqual({ credsStore: "keys", auths: { "quay.io": {} } });
    expect(await find("quay.io")).toEqual(ada);
  });

  test("storeLogin writes podman's name of Docker Hub to the file of REGISTRY_AUTH_FILE", async () => {
    environment.REGISTRY_AUTH_FILE = join(home, "auth.json");
    await storeLogin("docker.io", ada, options);
    expect(await read(join(home, "auth.json"))).toEqual({
      auths: { "docker.io": { auth: base64("ada:pass:word") } },
    });
  });

  test("storeLogin leaves a file as it is when that is not JSON", async () => {
    await writeFile(config, "{ // mine\n}");
    await errorOf(storeLogin("quay.io", ada, options), "UNSUPPORTED");
    expect(await readFile(config, "utf8")).toBe("{ // mine\n}");
  });

  test("storeLogin says which file it cannot write", async () => {
    await writeFile(join(home, "file"), "");
    environment.DOCKER_CONFIG = join(home, "file", "folder");
    const { message } = await errorOf(storeLogin("quay.io", ada, options), "UNSUPPORTED");
    expect(message).toContain(join(home, "file", "folder", "config.json"));
  });
});

describe("eraseLogin", () => {
  test("eraseLogin erases all keys of the registry and no others", async () => {
    const other = { auth: base64("b:2") };
    await write({
      auths: {
        "r.example.com": { auth: base64("a:1") },
        "https://r.example.com/v1/": { auth: base64("a:1") },
        "r.example.com/team": other,
        "r.example.com:5000": other,
      },
    });
    expect((await eraseLogin("r.example.com", options)).erased).toEqual([{ file: config }]);
    expect(await read()).toEqual({ auths: { "r.example.com/team": other, "r.example.com:5000": other } });
    expect((await eraseLogin("r.example.com", options)).erased).toEqual([]);
  });

  test("eraseLogin erases from the helper", async () => {
    await installHelper("keys");
    await write({ credsStore: "keys" });
    await storeLogin("quay.io", { username: "ada", password: "1" }, options);
    expect((await eraseLogin("quay.io", options)).erased).toEqual([{ file: config, helper: "keys" }]);
    expect(await find("quay.io")).toBeUndefined();
    expect(await read()).toEqual({ credsStore: "keys", auths: {} });
  });

  test("eraseLogin tells of a login that another program keeps", async () => {
    environment.XDG_RUNTIME_DIR = join(home, "run");
    const podman = join(home, "run", "containers", "auth.json");
    await mkdir(join(home, "run", "containers"), { recursive: true });
    await write({ auths: { "docker.io": { auth: base64("pod:man") } } }, podman);
    expect(await eraseLogin("docker.io", options)).toEqual({ erased: [], remaining: [{ file: podman }] });
  });
});

describe("listLogins", () => {
  test("listLogins names those in files and in helpers", async () => {
    await installHelper("keys");
    await write({
      credsStore: "keys",
      auths: {
        "quay.io": { auth: base64("ada:1") },
        "token.example.com": { registrytoken: "t" },
        "empty.io": {},
      },
    });
    expect(await listLogins(options)).toEqual([
      { registry: "quay.io", file: config, username: "ada" },
      { registry: "token.example.com", file: config },
      { registry: "docker.io", file: config, helper: "keys", username: "ada" },
    ]);
  });
});
