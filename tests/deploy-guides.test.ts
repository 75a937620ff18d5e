import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cp, mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { startDockerEngine } from "./fixtures/docker-engine.ts";
import { installBerth, runGuide } from "./fixtures/guides.ts";
import { renderChart } from "./fixtures/helm-charts.ts";
import { freePort, makeTemporaryFolder } from "./fixtures/processes.ts";
import { isAvailable } from "./programs.ts";

setDefaultTimeout(60_000);

const root = join(import.meta.dir, "..");
const docs = join(root, "docs");
let folder: string;
let env: Record<string, string | undefined>;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  env = {
    PATH: `${await installBerth(folder)}:/usr/sbin:/sbin`,
    ...{ HOME: folder, XDG_DATA_HOME: undefined, XDG_RUNTIME_DIR: undefined, REGISTRY_AUTH_FILE: undefined },
  };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const freePlace = () => `127.0.0.1:${freePort()}`;

test.skipIf(!isAvailable("dockerd", "docker"))(
  "docs/five-minutes.md does and prints what it says",
  async () => {
    const engine = await startDockerEngine();
    try {
      const cwd = join(folder, "five");
      await mkdir(cwd);
      const place = freePlace();
      await runGuide(join(docs, "five-minutes.md"), {
        cwd,
        env: { ...env, ...engine.env, BERTH_LISTEN: place }, // where it listens by itself may be taken
        replace: { "127.0.0.1:5000": place },
      });
    } finally {
      await engine.stop();
    }
  },
);

test.skipIf(process.getuid?.() !== 0 || !isAvailable("nginx", "openssl") || Bun.which("curl") === null)(
  "docs/behind-a-proxy.md does and prints what it says (needs root: nginx has its folders)",
  async () => {
    const cwd = join(folder, "proxy");
    await cp(join(root, "deploy", "proxies"), join(cwd, "deploy", "proxies"), { recursive: true });
    await runGuide(join(docs, "behind-a-proxy.md"), {
      ...{ cwd, env },
      replace: { "127.0.0.1:5000": freePlace(), "127.0.0.1:8443": freePlace() },
    });
  },
);

describe("docs/kubernetes.md", () => {
  const chart = join(root, "deploy", "helm", "berth");
  const blocks = async (kind: string) => {
    const text = await readFile(join(docs, "kubernetes.md"), "utf8");
    return Array.from(
      text.matchAll(new RegExp(`^\`\`\`${kind}\\n([\\s\\S]*?)^\`\`\``, "gm")),
      ([, block = ""]) => block,
    );
  };

  test("each of its helm commands gives values that the chart has, and objects", async () => {
    const commands = (await blocks("sh")).flatMap((block) => {
      return block
        .replaceAll("\\\n", " ")
        .split("\n")
        .filter((line) => line.startsWith("helm "));
    });
    expect(commands).toHaveLength(4);
    const [file = ""] = await blocks("yaml");
    const own = Bun.YAML.parse(await readFile(join(chart, "values.yaml"), "utf8"));
    for (const command of commands) {
      expect(command).toStartWith("helm upgrade --install berth deploy/helm/berth ");
      const values = command.includes("--values values.yaml") ? (Bun.YAML.parse(file) as object) : {};
      for (const [, path = "", value] of command.matchAll(/--set ([\w.]+)=(\S+)/g)) {
        expect(own).toHaveProperty(path);
        setAt(values as Record<string, unknown>, path.split("."), value === "true" ? true : value); // just parsed
      }
      for (const name of Object.keys(values)) expect(own).toHaveProperty(name);
      const kinds = (await renderChart(chart, { values })).map(({ kind }) => kind);
      expect(kinds.includes("Ingress")).toBe(command.includes("ingress.enabled"));
      expect(kinds).toContain("StatefulSet");
    }
  });
});

function setAt(
  target: Record<string, unknown>,
  [name = "", ...rest]: readonly string[],
  value: unknown,
): void {
  if (rest.length === 0) {
    target[name] = value;
    return;
  }
  const inner = { ...(target[name] as Record<string, unknown> | undefined) }; // a map, or not there
  setAt(inner, rest, value);
  target[name] = inner;
}

test("every file that these guides and the README link to is there", async () => {
  for (const guide of ["five-minutes.md", "behind-a-proxy.md", "kubernetes.md", "../README.md"]) {
    const path = join(docs, guide);
    for (const [, link = ""] of (await readFile(path, "utf8")).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      const file = Bun.file(join(dirname(path), link));
      const isThere = await file.stat().then(
        () => true,
        () => false,
      );
      expect({ guide, link, isThere }).toEqual({ guide, link, isThere: true });
    }
  }
});
