import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeCertificate } from "./fixtures/certificates.ts";
import { startDockerEngine } from "./fixtures/docker-engine.ts";
import { installBerth, runGuide } from "./fixtures/guides.ts";
import { renderChart } from "./fixtures/helm-charts.ts";
import { freePort, makeTemporaryFolder, succeed } from "./fixtures/processes.ts";
import { isAvailable, programPath } from "./programs.ts";

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

describe.skipIf(!isAvailable("helm", "kubectl"))("docs/kubernetes.md", () => {
  const chart = join(root, "deploy", "helm", "berth");
  const blocks = async (kind: string) => {
    const text = await readFile(join(docs, "kubernetes.md"), "utf8");
    return Array.from(
      text.matchAll(new RegExp(`^\`\`\`${kind}\\n([\\s\\S]*?)^\`\`\``, "gm")),
      ([, block = ""]) => block,
    );
  };
  const linesOf = async (program: string) =>
    (await blocks("sh"))
      .flatMap((block) => block.replaceAll("\\\n", " ").split("\n"))
      .filter((line) => line.startsWith(`${program} `));

  test("each of its helm commands gives values that the chart has, and objects", async () => {
    const commands = await linesOf("helm");
    expect(commands).toHaveLength(5);
    const [file = ""] = await blocks("yaml");
    await writeFile(join(folder, "values.yaml"), file);
    for (const command of commands) {
      const [before = "", given = ""] = command.split(" deploy/helm/berth ");
      expect(before).toBe("helm upgrade --install berth");
      const args = given
        .trim()
        .split(/ +/)
        .map((arg) => (arg === "values.yaml" ? join(folder, arg) : arg));
      const kinds = (await renderChart(chart, { args })).map(({ kind }) => kind);
      expect(kinds.includes("Ingress")).toBe(command.includes("ingress.enabled"));
      expect(kinds).toContain("StatefulSet");
    }
  });

  test("its kubectl commands make the secrets that the chart reads", async () => {
    await writeFile(join(folder, "password.txt"), "correct horse battery staple");
    const { certificate, key } = await makeCertificate(folder, "registry", {
      names: "DNS:registry.example.com",
    });
    const create = (await linesOf("kubectl")).filter((line) => line.startsWith("kubectl create secret "));
    const secrets = create.map(async (line) => {
      const real = line.replace("registry.pem", certificate).replace("registry.key", key);
      const args = [...real.split(/ +/).slice(1), "--dry-run=client", "--output=json"];
      return JSON.parse(await succeed(programPath("kubectl"), args, { cwd: folder }));
    });
    const [admin, tls] = await Promise.all(secrets);
    expect(Object.keys(admin.data)).toEqual(["password"]);
    expect(Object.keys(tls.data).sort()).toEqual(["tls.crt", "tls.key"]);
  });
});

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
