import { describe, expect, test } from "bun:test";
import { basename, dirname } from "node:path";
import type { RegistryName } from "../../../oci/references.ts";
import type { Machine } from "../machine.ts";
import type { PartOfPlan, Target } from "../plan.ts";
import { withInsecureRegistry } from "./docker-settings.ts";
import type { Served } from "./engine.ts";
import { engines } from "./engines.ts";

const target: Target = { registry: "registry.local:5000" as RegistryName, host: "registry.local" };
const pem = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n";

function machineOf(files: Readonly<Record<string, string>>): Machine {
  return {
    has: (path) => Object.keys(files).some((file) => file === path || file.startsWith(`${path}/`)),
    read: (path) => files[path],
    list: (folder) =>
      Object.keys(files)
        .filter((file) => dirname(file) === folder)
        .map((file) => basename(file)),
    room: () => undefined,
  };
}

/** What a machine's files are after a part of a plan. */
function after(
  files: Readonly<Record<string, string>>,
  part: PartOfPlan | undefined,
): Record<string, string> {
  return {
    ...files,
    ...Object.fromEntries((part?.files ?? []).map((change) => [change.path, change.after])),
  };
}

const engine = (name: string) => {
  const found = engines.find((one) => one.name === name);
  if (!found) throw new Error(`there is no engine ${name}`);
  return found;
};
const served = (scheme: "https" | "http", trusted = pem): Served => ({
  scheme,
  isVouchedForBy: async (text) => text === trusted,
  isTrustedBySystem: false,
});

describe("engines", () => {
  test.each(["docker", "containerd", "podman", "buildkit"])(
    "%s fails before it is told of an authority, works then, and wants nothing more",
    async (name) => {
      const { trust, outlook } = engine(name);
      const before = machineOf({});
      expect(await outlook?.(target, served("https"), before)).toMatchObject({ kind: "fails" });
      const files = after({}, trust(target, pem, before));
      expect(await outlook?.(target, served("https"), machineOf(files))).toMatchObject({ kind: "works" });
      expect(await outlook?.(target, served("https", "another"), machineOf(files))).toMatchObject({
        kind: "fails",
      });
      expect(await outlook?.(target, served("http"), machineOf(files))).toMatchObject({ kind: "fails" });
      expect(trust(target, pem, machineOf(files)).files).toEqual([]);
    },
  );

  test.each(["docker", "containerd", "podman", "buildkit"])(
    "%s speaks plain HTTP when it is allowed to, and wants nothing more",
    async (name) => {
      const { allowPlainHttp, outlook } = engine(name);
      const files = after({}, allowPlainHttp?.(target, machineOf({})));
      expect(await outlook?.(target, served("http"), machineOf(files))).toMatchObject({ kind: "works" });
      expect(allowPlainHttp?.(target, machineOf(files)).files ?? []).toEqual([]);
    },
  );

  test.each([
    ["docker", "localhost", "works"],
    ["docker", "127.0.0.1", "works"],
    ["containerd", "localhost", "works"],
    ["containerd", "127.0.0.1", "works"],
    ["podman", "localhost", "fails"],
    ["buildkit", "localhost", "fails"],
  ])("%s without settings and plain HTTP from %s: it %s", async (name, host, kind) => {
    const own: Target = { registry: `${host}:5000` as RegistryName, host };
    expect(await engine(name).outlook?.(own, served("http"), machineOf({}))).toMatchObject({ kind });
  });

  test.each(["docker", "containerd", "podman", "buildkit"])(
    "%s that was allowed plain HTTP is said to check nothing, also when it is told of an authority since",
    (name) => {
      const { allowPlainHttp, trust, unchecked } = engine(name);
      expect(unchecked?.(target, machineOf(after({}, trust(target, pem, machineOf({})))))).toBeUndefined();
      const plain = allowPlainHttp?.(target, machineOf({}));
      const file = plain?.files?.at(-1)?.path;
      expect(unchecked?.(target, machineOf(after({}, plain)))).toBe(file);
      const both = after(after({}, plain), trust(target, pem, machineOf(after({}, plain))));
      expect(unchecked?.(target, machineOf(both))).toBe(file);
    },
  );

  test("podman is said to check nothing when any of its files marks the registry as insecure", () => {
    const file = "/etc/containers/registries.conf.d/mine.conf";
    const text = '[[registry]]\nlocation = "registry.local:5000"\ninsecure = true\n';
    expect(engine("podman").unchecked?.(target, machineOf({ [file]: text }))).toBe(file);
    expect(engine("podman").unchecked?.(target, machineOf({ [`${file}.bak`]: text }))).toBeUndefined();
  });

  test("containerd's settings get a config_path with their comments kept", () => {
    const text = 'version = 2\n\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri"] # cri\n    x = 1\n';
    const part = engine("containerd").trust(target, pem, machineOf({ "/etc/containerd/config.toml": text }));
    const [settings] = (part.files ?? []).filter(({ path }) => path.endsWith("config.toml"));
    expect(settings?.after).toBe(
      `${text}\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n`,
    );
    expect(part.advice?.join()).toContain("systemctl restart containerd");
  });

  test.each([
    ['version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/c:/d"\n', "/c/", false],
    ['version = 2\ndisabled_plugins = ["cri"]\n', "/etc/containerd/certs.d/", false],
    [
      'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry.mirrors."a"]\n',
      "/etc/containerd/certs.d/",
      true,
    ],
    ["[plugins]\n", "/etc/containerd/certs.d/", true],
  ])("containerd's settings %j are left alone", (text, folder, isAdvised) => {
    const part = engine("containerd").trust(target, pem, machineOf({ "/etc/containerd/config.toml": text }));
    expect(part.files?.map(({ path }) => path)).toEqual([
      `${folder}registry.local:5000/ca.crt`,
      `${folder}registry.local:5000/hosts.toml`,
    ]);
    expect((part.advice ?? []).length > 0).toBe(isAdvised);
  });

  test("containerd's settings of version 3 get theirs", () => {
    const part = engine("containerd").trust(
      target,
      pem,
      machineOf({ "/etc/containerd/config.toml": "version = 3\n" }),
    );
    expect(part.files?.at(-1)?.after).toContain(`[plugins."io.containerd.cri.v1.images".registry]\n`);
  });

  test.each([
    [
      "a mirror of the user's",
      '# mine\nserver = "https://registry.local:5000"\n[host."https://mirror.lan"] # near\n  ca = "m.crt"',
      `# mine\nserver = "https://registry.local:5000"\n[host."https://mirror.lan"] # near\n  ca = "m.crt"\n
[host."https://registry.local:5000"]\n  capabilities = ["pull", "resolve", "push"]\n  ca = ["ca.crt"]\n`,
    ],
    [
      "an authority of the user's",
      "[host.'https://registry.local:5000']\n\tca = [ # theirs\n\t\t'/etc/x.pem', # x\n\t]\n",
      "[host.'https://registry.local:5000']\n\tca = [ # theirs\n\t\t'/etc/x.pem', \"ca.crt\", # x\n\t]\n",
    ],
    [
      "one authority, and no scheme",
      '[host."registry.local:5000"]\r\nca = "/etc/x.pem" # x\r\n',
      '[host."registry.local:5000"]\r\nca = ["/etc/x.pem", "ca.crt"] # x\r\n',
    ],
    [
      "a table without authorities",
      '[host."https://registry.local:5000"]\n  # slow\n  dial_timeout = "9s"\n',
      '[host."https://registry.local:5000"]\n  ca = ["ca.crt"]\n  # slow\n  dial_timeout = "9s"\n',
    ],
    [
      "the authority by its path",
      '[host."https://registry.local:5000"]\nca = "/etc/containerd/certs.d/registry.local:5000/ca.crt"\n',
      undefined,
    ],
  ])("containerd keeps what hosts.toml says: %s", async (_, text, expected) => {
    const file = "/etc/containerd/certs.d/registry.local:5000/hosts.toml";
    const files = { [file]: text };
    const part = engine("containerd").trust(target, pem, machineOf(files));
    expect(part.files?.find(({ path }) => path === file)?.after).toBe(expected);
    const machine = machineOf(after(files, part));
    expect(await engine("containerd").outlook?.(target, served("https"), machine)).toMatchObject({
      kind: "works",
    });
  });

  test("containerd that checks nothing is said to, and finds what stands in any of its folders", async () => {
    const settings = {
      "/etc/containerd/config.toml":
        "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/a:/b'\n",
    };
    const outlook = (files: Record<string, string>) =>
      engine("containerd").outlook?.(target, served("https"), machineOf({ ...settings, ...files }));
    const skips = {
      "/b/registry.local:5000/hosts.toml": '[host."https://registry.local:5000"]\nskip_verify = true',
    };
    expect(await outlook(skips)).toMatchObject({
      kind: "works",
      because: expect.stringContaining("skip_verify"),
    });
    expect(await outlook({ "/b/registry.local:5000/mine.crt": pem })).toMatchObject({ kind: "works" });
    expect(
      await outlook({ "/a/registry.local:5000/hosts.toml": "", "/b/registry.local:5000/a.crt": pem }),
    ).toMatchObject({
      kind: "fails",
    });
  });

  test.each(["docker", "containerd", "podman", "buildkit"])(
    "%s works with an authority of the system's, whatever its own files have, and with one of any name",
    async (name) => {
      const { trust, outlook } = engine(name);
      const files = after({}, trust(target, "stale", machineOf({})));
      const known = { ...served("https"), isTrustedBySystem: true };
      expect(await outlook?.(target, known, machineOf(files))).toMatchObject({ kind: "works" });
      expect(await outlook?.(target, served("https"), machineOf(files))).toEqual({
        kind: "fails",
        because: expect.stringMatching(/\/ca\.crt is of another authority/),
      });
    },
  );

  test.each([
    ["", "works"],
    [" \n", "works"],
    ["null", "works"],
    ['\xef\xbb\xbf{"debug": true}', "works"],
    ['{"debug": true} // why', "fails"],
    ['{"debug": true,}', "fails"],
  ])("docker with the settings %j is said to be one that %s", async (text, kind) => {
    const machine = machineOf({
      "/etc/docker/daemon.json": text,
      "/etc/docker/certs.d/registry.local:5000/company.crt": pem,
    });
    expect(await engine("docker").outlook?.(target, served("https"), machine)).toMatchObject({ kind });
  });

  test.each([
    ["/etc/default/docker", '# --insecure-registry x\nDOCKER_OPTS="--insecure-registry 10.0.0.0/8"\n'],
    [
      "/etc/systemd/system/docker.service.d/lan.conf",
      "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --insecure-registry=a:5000,b:5000 -H fd://\n",
    ],
  ])("docker gets no list in its settings beside one that %s starts it with", (file, text) => {
    const { allowPlainHttp, unchecked } = engine("docker");
    const advice = /--insecure-registry=registry\.local:5000 there/;
    expect(() => allowPlainHttp?.(target, machineOf({ [file]: text }))).toThrow(advice);
    const added = machineOf({ [file]: `${text}# moved\n--insecure-registry=${target.registry}` });
    expect(allowPlainHttp?.(target, added)).toEqual({});
    expect(unchecked?.(target, added)).toBe(file);
    expect(unchecked?.(target, machineOf({ [file]: text }))).toBeUndefined();
    const commented = { "/etc/default/docker": "#DOCKER_OPTS=--insecure-registry=x\n" };
    expect(allowPlainHttp?.(target, machineOf(commented))?.files).toHaveLength(1);
  });

  test("docker is said not to start with comments when its settings are changed", () => {
    const machine = machineOf({ "/etc/docker/daemon.json": '{\n  "debug": true // why\n}\n' });
    const part = engine("docker").allowPlainHttp?.(target, machine);
    expect(part?.advice?.[0]).toContain("does not start with comments");
  });

  test("buildkit's settings get the authority into a table that is there", () => {
    const text = '# mine\n[registry."registry.local:5000"]\n  mirrors = ["a"]\n[worker]\n';
    const part = engine("buildkit").trust(target, pem, machineOf({ "/etc/buildkit/buildkitd.toml": text }));
    expect(part.files?.at(-1)?.after).toBe(
      '# mine\n[registry."registry.local:5000"]\n  ca = ["/etc/buildkit/certs.d/registry.local:5000/ca.crt"]\n' +
        '  mirrors = ["a"]\n[worker]\n',
    );
  });

  test.each([
    ["buildkit", "/etc/buildkit/buildkitd.toml", "registry = 1", /cannot be added to/],
    ["buildkit", "/etc/buildkit/buildkitd.toml", "[[[", /buildkitd\.toml is no TOML/],
    [
      "buildkit",
      "/etc/buildkit/buildkitd.toml",
      '[registry."registry.local:5000"]\nca = 1',
      /take that line out/,
    ],
    [
      "containerd",
      "/etc/containerd/certs.d/registry.local:5000/hosts.toml",
      'host = { "https://registry.local:5000" = { skip_verify = false } }',
      /write it yourself:\n {2}\[host\."https:\/\/registry\.local:5000"\]\n {2}ca = \["ca\.crt"\]/,
    ],
    ["containerd", "/etc/containerd/config.toml", "x", /config\.toml is no TOML/],
  ])("%s refuses %s when it says %j", (name, path, text, message) => {
    expect(() => engine(name).trust(target, pem, machineOf({ [path]: text }))).toThrow(message);
  });

  test("the system takes an authority where its kind looks for it, and is told", () => {
    const debian = { "/usr/sbin/update-ca-certificates": "", "/usr/local/share/ca-certificates/x": "" };
    const fedora = { "/usr/bin/update-ca-trust": "", "/etc/pki/ca-trust/source/anchors/x": "" };
    const pathAndProgram = (files: Record<string, string>) => {
      const { files: changes = [], commands = [] } = engine("system").trust(target, pem, machineOf(files));
      return [changes[0]?.path, commands[0]?.argv];
    };
    expect(pathAndProgram(debian)).toEqual([
      "/usr/local/share/ca-certificates/berth-registry.local_5000.crt",
      ["update-ca-certificates"],
    ]);
    expect(pathAndProgram(fedora)).toEqual([
      "/etc/pki/ca-trust/source/anchors/berth-registry.local_5000.pem",
      ["update-ca-trust"],
    ]);
    expect(engine("system").isInstalled(machineOf({}))).toBe(false);
  });
});

describe("withInsecureRegistry", () => {
  const r = "registry.local:5000";
  test.each([
    [undefined, `{\n  "insecure-registries": [\n    "${r}"\n  ]\n}\n`],
    [
      '{\n\t"debug": true // why\n}\n',
      `{\n\t"debug": true,\n\t"insecure-registries": [\n\t\t"${r}"\n\t] // why\n}\n`,
    ],
    ["", `{\n  "insecure-registries": [\n    "${r}"\n  ]\n}\n`],
    ['{"insecure-registries":["a"]}', `{"insecure-registries":["a","${r}"]}`],
    ['\xef\xbb\xbf{"insecure-registries":[]}', `\xef\xbb\xbf{"insecure-registries":["${r}"]}`],
    [
      '{\n  "insecure-registries": [\n    "a" /* a */\n  ],\n  "b": [1,2]\n}',
      `{\n  "insecure-registries": [\n    "a",\n    "${r}" /* a */\n  ],\n  "b": [1,2]\n}`,
    ],
    [`{"insecure-registries":["${r}"]}`, `{"insecure-registries":["${r}"]}`],
  ])("withInsecureRegistry turns %j into %j", (text, expected) => {
    expect(withInsecureRegistry(text, r)).toBe(expected);
  });

  test.each([
    ['{\n  "a": 1,\n  oops\n}', /daemon\.json is no JSON: .*line 3/],
    ["[]", /expected a JSON object/],
    ['{"insecure-registries": "a"}', /expected a list/],
  ])("withInsecureRegistry refuses %j", (text, message) => {
    expect(() => withInsecureRegistry(text, r)).toThrow(message);
  });
});
