import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm } from "node:fs/promises";
import { parseTag } from "../src/oci/names.ts";
import { parseReference } from "../src/oci/references.ts";
import { berthProgram } from "./fixtures/command-lines.ts";
import { startGate } from "./fixtures/gates.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth, startDockerRegistry } from "./fixtures/registries.ts";
import { startInTerminal } from "./fixtures/terminals.ts";
import { layerSizes, nameOnlyImage, newUser, putImage } from "./fixtures/users.ts";
import { isAvailable } from "./programs.ts";

setDefaultTimeout(60_000);

let folder: string;
let berth: RunningRegistry;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  berth = await startBerth();
});
afterAll(async () => {
  await berth?.stop();
  await rm(folder, { recursive: true });
});

const put = (reference: string, platforms?: readonly string[]) =>
  putImage(reference, { folder, ...(platforms ? { platforms } : {}) });

const names = (text: string) =>
  text.replaceAll(/\b[0-9a-f]{12}:/g, "LAYER:").replaceAll(/sha256:[0-9a-f]{64}/g, "DIGEST");

describe("berth pull", () => {
  test("pull brings an image once, and says so in docker's words", async () => {
    const reference = `${berth.host}/gallery/ui:1.0`;
    const digest = await put(reference);
    const { run, images } = await newUser(folder);
    const first = await run("pull", reference);
    expect(first).toMatchObject({ exitCode: 0, stderr: "" });
    expect(names(first.stdout)).toBe(`1.0: Pulling from gallery/ui
LAYER: Pull complete
LAYER: Pull complete
LAYER: Pull complete
Digest: DIGEST
Status: Downloaded newer image for ${reference}
${reference}
`);
    expect(first.stdout).toContain(`Digest: ${digest}`);
    expect(await images.entries()).toMatchObject([
      { tag: "1.0", repository: "gallery/ui", descriptor: { digest } },
    ]);
    const second = await run("pull", reference);
    expect(names(second.stdout)).toBe(`1.0: Pulling from gallery/ui
LAYER: Already exists
LAYER: Already exists
LAYER: Already exists
Digest: DIGEST
Status: Image is up to date for ${reference}
${reference}
`);
  });

  test("pull takes the tag latest when there is none, as docker says", async () => {
    await put(`${berth.host}/pull/latest:latest`);
    const { run } = await newUser(folder);
    const { stdout } = await run("pull", `${berth.host}/pull/latest`);
    expect(stdout).toStartWith("Using default tag: latest\nlatest: Pulling from pull/latest\n");
  });

  test("pull brings an image by digest without a tag", async () => {
    const digest = await put(`${berth.host}/pull/digest:1`);
    const { run, images } = await newUser(folder);
    const reference = `${berth.host}/pull/digest@${digest}`;
    const { stdout } = await run("pull", reference);
    expect(stdout).toEndWith(
      `Digest: ${digest}\nStatus: Downloaded newer image for ${reference}\n${reference}\n`,
    );
    const [entry] = await images.entries();
    expect(entry).toMatchObject({ descriptor: { digest } });
    expect(entry).not.toHaveProperty("tag");
  });

  test("pull prints the reference alone when it shall be quiet, and JSON lines when it shall", async () => {
    const reference = `${berth.host}/pull/output:1`;
    const digest = await put(reference);
    const { run } = await newUser(folder);
    expect(await run("pull", "-q", reference)).toEqual({ exitCode: 0, stdout: `${reference}\n`, stderr: "" });
    const { stdout } = await (await newUser(folder)).run("pull", "--json", reference);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ state }) => state === "done")).toHaveLength(layerSizes.length + 2);
    expect(lines.at(-1)).toMatchObject({
      state: "pulled",
      reference,
      isNew: true,
      digest,
      image: { digest },
    });
  });

  test("pull brings all tags", async () => {
    for (const tag of ["1", "2"]) await put(`${berth.host}/pull/all:${tag}`);
    const { run, images } = await newUser(folder);
    const { stdout } = await run("pull", "-a", `${berth.host}/pull/all`);
    expect(stdout.match(/^.*: Pulling from .*$/gm)).toEqual([
      "1: Pulling from pull/all",
      "2: Pulling from pull/all",
    ]);
    expect((await images.entries()).map(({ tag }) => String(tag)).sort()).toEqual(["1", "2"]);
  });

  const here = { x64: "amd64", arm64: "arm64" }[process.arch as "x64" | "arm64"];
  test("pull chooses this machine's platform, or those that it is told", async () => {
    const reference = `${berth.host}/pull/platforms:1`;
    const digest = await put(reference, ["linux/s390x", `linux/${here}`, "linux/riscv64"]);
    const { run, images } = await newUser(folder);
    const pulled = async (...args: string[]) => {
      const { exitCode, stderr } = await run("pull", ...args, reference);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
      const { registry, repository } = parseReference(reference);
      const stored = await images.at(registry).getTag(repository, parseTag("1"));
      return { digest: stored.descriptor.digest, ...JSON.parse(new TextDecoder().decode(stored.bytes)) };
    };
    expect((await pulled()).layers).toHaveLength(layerSizes.length);
    const two = await pulled("--platform", "linux/s390x", "--platform", "linux/riscv64");
    expect(two.manifests).toHaveLength(2);
    expect((await pulled("--all-platforms")).digest).toBe(digest);
  });

  test("pull prints a name that is known here when the digest of an index was asked for", async () => {
    const name = `${berth.host}/pull/pinned`;
    const digest = await put(`${name}:1`, ["linux/s390x", `linux/${here}`]);
    const { run } = await newUser(folder);
    const { stdout } = await run("pull", "-q", `${name}@${digest}`);
    expect(stdout).toStartWith(`${name}@sha256:`);
    expect((await run("tag", stdout.trim(), `${name}:here`)).exitCode).toBe(0);
    const all = await run("pull", "-q", "--all-platforms", `${name}@${digest}`);
    expect(all.stdout).toBe(`${name}@${digest}\n`);
  });

  test("pull says which platforms there are when none is for this machine", async () => {
    const reference = `${berth.host}/pull/foreign:1`;
    await put(reference, ["linux/s390x", "linux/riscv64"]);
    const { run } = await newUser(folder);
    const { exitCode, stderr } = await run("pull", reference);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("it has linux/s390x, linux/riscv64: choose one with --platform");
    expect((await run("pull", "--platform", "linux", reference)).exitCode).toBe(2);
  });
});

describe("berth push", () => {
  test("push sends a local image, and nothing of it a second time", async () => {
    const source = `${berth.host}/push/source:1.0`;
    const digest = await put(source);
    const { run, images } = await newUser(folder);
    await run("pull", source);
    const other = await startBerth();
    try {
      await nameOnlyImage(images, `${other.host}/push/target:1.0`);
      const size = (await images.entries())[0]?.descriptor.size;
      const pushed = await run("push", `${other.host}/push/target:1.0`);
      expect(pushed).toMatchObject({ exitCode: 0, stderr: "" });
      expect(names(pushed.stdout)).toBe(`The push refers to repository [${other.host}/push/target]
LAYER: Pushed
LAYER: Pushed
LAYER: Pushed
1.0: digest: DIGEST size: ${size}
`);
      expect(pushed.stdout).toContain(digest);
      const again = await run("push", `${other.host}/push/target:1.0`);
      expect(again.stdout.match(/: Layer already exists$/gm)).toHaveLength(layerSizes.length);
      expect(await run("push", "-q", `${other.host}/push/target:1.0`)).toMatchObject({
        stdout: `${other.host}/push/target:1.0\n`,
      });
    } finally {
      await other.stop();
    }
  });

  test.skipIf(!isAvailable("docker-registry"))(
    "push mounts layers that the registry has in another repository",
    async () => {
      const registry = await startDockerRegistry();
      try {
        const source = `${registry.host}/base/app:1`;
        await put(source);
        const { run, images } = await newUser(folder);
        await run("pull", source);
        await nameOnlyImage(images, `${registry.host}/team/app:2`);
        const { stdout } = await run("push", `${registry.host}/team/app:2`);
        expect(stdout.match(/: Mounted from base\/app$/gm)).toHaveLength(layerSizes.length);
      } finally {
        await registry.stop();
      }
    },
  );

  test("push -a sends all local tags of the repository", async () => {
    for (const tag of ["1", "2"]) await put(`${berth.host}/push/all:${tag}`);
    const { run } = await newUser(folder);
    await run("pull", "-a", `${berth.host}/push/all`);
    const { stdout } = await run("push", "-a", `${berth.host}/push/all`);
    expect(stdout.match(/^\d: digest: /gm)).toEqual(["1: digest: ", "2: digest: "]);
  });

  test.each([["push/none:1"], ["-a push/none"]])(
    "push %s says that there is no such local image",
    async (args) => {
      const { run } = await newUser(folder);
      const words = args.split(" ").map((word) => (word === "-a" ? word : `${berth.host}/${word}`));
      const { exitCode, stderr } = await run("push", ...words);
      expect(exitCode).toBe(1);
      expect(stderr).toContain("see berth image ls, name one with berth tag");
    },
  );
});

test("pull and push of what is there already take a request or two", async () => {
  const reference = `${berth.host}/requests/app:1`;
  await put(reference);
  const { run } = await newUser(folder);
  await run("pull", reference);
  await requestsSince();
  await run("pull", reference);
  expect(await requestsSince()).toEqual({ "tag GET": 1 });
  await run("push", reference);
  expect(await requestsSince()).toEqual({ "manifest HEAD": 1, "tag PUT": 1 });
});

const counted = new Map<string, number>();

/** How often Berth was asked for what since the last call, apart from this. */
async function requestsSince(): Promise<Record<string, number>> {
  const metrics = await (await fetch(`${berth.url}/metrics`)).text();
  const found: Record<string, number> = {};
  for (const [, route, method, code, text] of metrics.matchAll(
    /^berth_http_requests_total\{route="(\w+)",method="(\w+)",code="(\d+)"\} (\d+)$/gm,
  )) {
    const key = `${route} ${method} ${code}`;
    const since = Number(text) - (counted.get(key) ?? 0);
    counted.set(key, Number(text));
    const name = `${route} ${method}`;
    if (since > 0 && route !== "page") found[name] = (found[name] ?? 0) + since;
  }
  return found;
}

test("pull draws bars on a terminal, in lines that fit also when it becomes narrower", async () => {
  const reference = `${berth.host}/terminal/app:1`;
  await put(reference);
  const { home } = await newUser(folder);
  const gate = startGate(berth.host);
  const args = [berthProgram, "pull", `${gate.host}/terminal/app:1`];
  const terminal = startInTerminal(process.execPath, args, { env: { HOME: home }, columns: 100, rows: 24 });
  try {
    gate.letPass(350_000);
    await terminal.waitForText(/: Downloading \[=+> +\] 3\d\dkB\/700kB/);
    const from = terminal.output().length;
    terminal.resize(40, 24);
    await terminal.waitForText(/: Downloading 3\d\dkB\/700kB/, from);
    gate.letPass(Number.POSITIVE_INFINITY);
    expect(await terminal.exited).toBe(0);
    const last = terminal.output().slice(terminal.output().lastIndexOf("\u001b[J"));
    expect(last.match(/: Pull complete\r\n/g)).toHaveLength(layerSizes.length);
    for (const line of terminal.output().slice(from).split("\r\n")) {
      if (/^[^ ]*[0-9a-f]{12}: /.test(line)) expect(line.length).toBeLessThan(48);
    }
  } finally {
    await terminal.close();
    gate.stop();
  }
});
