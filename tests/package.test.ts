import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFile, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "../src/client/index.ts";
import { parseReference, withDefaultTag } from "../src/oci/index.ts";
import { pushImage } from "../src/registry/contract/fixtures.ts";
import { makeCertificate } from "./fixtures/certificates.ts";
import { type BackgroundProcess, makeTemporaryFolder, startProcess, succeed } from "./fixtures/processes.ts";
import { serveTunnels } from "./fixtures/proxies.ts";
import { type RunningRegistry, startBerth } from "./fixtures/registries.ts";
import { serveReplies } from "./fixtures/reply-servers.ts";
import { isAvailable, programPath } from "./programs.ts";

const root = join(import.meta.dir, "..");
/** Packs, installs a runtime of a hundred megabytes. */
const setupMs = 180_000;
let folder: string;
let berth: RunningRegistry;
const quiet = ["--no-audit", "--no-fund", "--no-progress", "--loglevel=error"];

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  const app = join(folder, "app");
  await mkdir(app);
  await writeFile(join(app, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await succeed("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: root });
  const packed = (await readdir(folder)).filter((name) => name.endsWith(".tgz"));
  await succeed(
    "npm",
    ["install", "--prefer-offline", ...quiet, ...packed.map((name) => join(folder, name))],
    { cwd: app },
  );
  for (const name of ["transfer.mjs", "probe.mjs", "page.mjs", "types.ts"]) {
    await copyFile(join(root, "tests", "fixtures", "consumer", name), join(app, name));
  }
  berth = await startBerth();
}, setupMs);
afterAll(async () => {
  await berth?.stop();
  await rm(folder, { recursive: true, force: true });
}, setupMs);

const node = (...args: string[]) => succeed("node", args, { cwd: join(folder, "app") });

describe("the package under Node", () => {
  test("copy moves an image between a registry, a folder and memory", async () => {
    const result = JSON.parse(await node("transfer.mjs", berth.host, join(folder, "layout")));
    expect(result.found).toEqual(result.pushed);
    expect(result.part).toBe(10);
    expect(result.states).toEqual([...Array(32).fill("done"), ...Array(15).fill("exists"), "done"]);
  }, 60_000);

  test("the examples of docs/library.md do what they say", async () => {
    const page = await Bun.file(join(root, "docs", "library.md")).text();
    const examples = Array.from(page.matchAll(/^```js\n(.*?)^```$/gms), ([, code = ""]) =>
      code.replaceAll("registry.example.com", berth.host),
    );
    expect(examples.length).toBe(3);
    const { repository, tag } = withDefaultTag(parseReference(`${berth.host}/team/app:1.0`));
    const client = createClient(berth.host);
    await pushImage(client, repository, { tags: tag ? [tag] : [] });
    client.close();
    const printed = [];
    for (const [at, code] of examples.entries()) {
      await writeFile(join(folder, "app", `example-${at}.mjs`), code);
      printed.push((await node(`example-${at}.mjs`)).split("\n").at(-1));
    }
    expect(printed).toEqual(["true 0", "[ '1.0' ]", "[ 'latest' ]"]);
  }, 60_000);

  test.skipIf(!isAvailable("openssl"))(
    "ping says what is wrong with a connection",
    async () => {
      const files = await makeCertificate(folder, "registry", { names: "DNS:registry.test" });
      const secure = await serveReplies(() => ({}), { tls: files });
      const plain = await serveReplies(() => ({}));
      const gone = await serveReplies(() => ({}));
      const proxy = await serveTunnels(secure);
      await gone.stop();
      const proxies = { https: `http://ada:secret@${proxy.host}` };
      const caFiles = [files.certificate];
      const probes = [
        [{ host: plain.host }, /^ok$/],
        [{ host: "registry.test", transport: { proxies, caFiles } }, /^ok$/],
        [
          { host: "registry.test", transport: { proxies } },
          /certificate of registry.test is not trusted .* as an extra CA/,
        ],
        [{ host: secure.host, plainHttp: false }, /is not trusted/],
        [{ host: secure.host, plainHttp: false, transport: { caFiles } }, /a name that it is made out to/],
        [{ host: secure.host, plainHttp: false, transport: { acceptAnyCertificate: true } }, /^ok$/],
        [{ host: secure.host }, /wants HTTPS, and plain HTTP was sent: use HTTPS$/],
        [{ host: plain.host, plainHttp: false }, /does not speak HTTPS .* allow that for it/],
        [{ host: gone.host }, /refuses connections: check the name and the port/],
        [{ host: "no-such-host.invalid" }, /no host "no-such-host.invalid" can be found/],
      ] as const;
      const results = JSON.parse(await node("probe.mjs", JSON.stringify(probes.map(([probe]) => probe))));
      for (const [at, [, expected]] of probes.entries()) expect(results[at]).toMatch(expected);
      await Promise.all([secure, plain, proxy].map(({ stop }) => stop()));
    },
    60_000,
  );

  test.each(["nodenext", "bundler"])(
    "its types are found when modules are resolved as %s",
    async (moduleResolution) => {
      const module = moduleResolution === "nodenext" ? "nodenext" : "esnext";
      const compilerOptions = {
        module,
        moduleResolution,
        strict: true,
        noEmit: true,
        target: "es2022",
        lib: ["es2023", "dom"],
        types: [],
      };
      const settings = join(folder, "app", `${moduleResolution}.json`);
      await writeFile(settings, JSON.stringify({ compilerOptions, files: ["types.ts"] }));
      await succeed(join(root, "node_modules", ".bin", "tsc"), ["--project", settings]);
    },
    60_000,
  );
});

describe.skipIf(!isAvailable("chromium"))("the package in a browser", () => {
  test("copy moves an image from a page's memory to a registry and back", async () => {
    const built = await Bun.build({ entrypoints: [join(folder, "app", "page.mjs")], target: "browser" });
    const [bundle] = built.outputs;
    const script = (await bundle?.text()) ?? "";
    const result = Promise.withResolvers<unknown>();
    // The page and the registry at one address: a browser lets no page of another read what a registry answers.
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch(request) {
        const { pathname, search } = new URL(request.url);
        if (pathname.startsWith("/v2/")) return forward(request, berth.url + pathname + search);
        if (pathname === "/page.js")
          return new Response(script, { headers: { "content-type": "text/javascript" } });
        if (pathname === "/result") result.resolve(await request.json());
        return new Response('<script type="module" src="/page.js"></script>', {
          headers: { "content-type": "text/html" },
        });
      },
    });
    const browser = startChromium(`http://127.0.0.1:${server.port}/`, join(folder, "chromium"));
    const ended = browser.exited.then(() => Promise.reject(new Error(browser.output())));
    try {
      const found = await Promise.race([result.promise, ended]);
      const { made } = found as { made: unknown };
      expect(found).toEqual({ made, pushed: made, pulled: made, bytes: 3_000_014, unknown: "BLOB_UNKNOWN" });
      expect(made).toMatchObject({ digest: expect.stringMatching(/^sha256:/) });
    } finally {
      ended.catch(() => {}); // it is stopped now
      await browser.stop("SIGKILL");
      await server.stop(true);
    }
  }, 60_000);
});

async function forward({ method, headers, body }: Request, url: string): Promise<Response> {
  const sent = body ? await new Response(body).bytes() : undefined;
  const answer = await fetch(url, { method, headers, ...(sent ? { body: sent } : {}) });
  const location = answer.headers.get("location");
  const answered = new Headers(answer.headers);
  if (location) answered.set("location", location.replace(/^http:\/\/[^/]+/, ""));
  return new Response(answer.body, { status: answer.status, headers: answered });
}

/** A browser that shows a page to nobody, and asks for nothing else. */
function startChromium(url: string, profile: string): BackgroundProcess {
  const flags = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
  return startProcess(programPath("chromium"), [...flags, `--user-data-dir=${profile}`, url]);
}

describe("what is packed", () => {
  test("the package has what runs and what tells about it, and nothing else", async () => {
    const [archive = ""] = (await readdir(folder)).filter((name) => name.endsWith(".tgz"));
    const names = (await succeed("tar", ["-tzf", join(folder, archive)])).split("\n");
    const files = names.map((name) => name.replace(/^package\//, ""));
    const expected = [
      /^(?:package\.json|README\.md|CHANGELOG\.md|LICENSE)$/,
      /^bin\/(?:berth|program|runtime)\.mjs$/,
      /^dist\/program\/[\w-]+\.js(?:\.jsc)?$/,
      /^dist\/library\/[\w/-]+(?:\.d\.ts|\.js)$/,
      /^src\/(?:client|layout|oci|registry)\/(?!contract)[\w/-]+\.ts$/,
      /^docs\/[\w/-]+\.md$/,
    ];
    expect(files.filter((file) => !expected.some((pattern) => pattern.test(file)))).toEqual([]);
    for (const pattern of expected) expect(files.some((file) => pattern.test(file))).toBe(true);
  });

  test.each(["oci", "registry", "layout", "client", "client/docker-credentials"])(
    "berth/%s is found by Bun, which takes the sources",
    async (name) => {
      const script = `console.log(Object.keys(await import("berth/${name}")).length > 0)`;
      expect(await succeed(process.execPath, ["--eval", script], { cwd: join(folder, "app") })).toBe("true");
    },
  );
});

describe("the package's command", () => {
  test("berth serves and answers", async () => {
    const bin = join(folder, "app", "node_modules", ".bin", "berth");
    expect(await succeed(bin, ["--help"])).toContain("berth");
    const server = startProcess(bin, ["serve", "--listen", "127.0.0.1:0", "--data", join(folder, "data")]);
    const [url] = await server.waitForOutput(/http:\/\/127\.0\.0\.1:\d+/);
    expect((await fetch(`${url}/v2/`)).status).toBe(200);
    expect(await server.stop()).toBe(0);
  }, 60_000);
});
