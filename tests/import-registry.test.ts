import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createClient } from "../src/client/client.ts";
import { archiveOf, openLayout, writeArchive } from "../src/layout/index.ts";
import { RegistryError } from "../src/oci/errors.ts";
import { parseRepositoryName, parseTag, type RepositoryName } from "../src/oci/names.ts";
import { bytesFor, pushImage, pushIndex, tags } from "../src/registry/contract/fixtures.ts";
import { createMemoryRegistry } from "../src/registry/memory.ts";
import type { Registry } from "../src/registry/registry.ts";
import { runBerth } from "./fixtures/command-lines.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { startDockerRegistry } from "./fixtures/registries.ts";
import { type ServedRegistry, serveRegistry } from "./fixtures/served-registry.ts";
import { isAvailable } from "./programs.ts";

setDefaultTimeout(30_000);

const [app, web, empty] = ["team/app", "team/web", "empty"].map(parseRepositoryName) as [
  RepositoryName,
  RepositoryName,
  RepositoryName,
]; // as many as names
const large = 200_000;

const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function serve(wrap?: (registry: Registry) => Registry): Promise<ServedRegistry> {
  const served = await serveRegistry(wrap);
  ending.push(served.stop);
  return served;
}

function clientOf({ host }: { readonly host: string }) {
  const client = createClient(host);
  ending.push(async () => client.close());
  return client;
}

async function scratch(): Promise<string> {
  const folder = await makeTemporaryFolder();
  ending.push(() => rm(folder, { recursive: true }));
  return folder;
}

async function importJson(...args: readonly string[]) {
  const { exitCode, stdout, stderr } = await runBerth(["import", "--json", ...args]);
  const report = JSON.parse(stdout.trim().split("\n").at(-1) || "null");
  const faults = (report?.faults ?? []).map(
    ({ where, message }: Record<string, string>) => `${where}: ${message}`,
  );
  return { exitCode, stderr, report, faults: faults.join("\n") };
}

/** Two repositories: an index with two tags, an image that is referred to, one that shares a layer. */
async function fill(registry: Registry) {
  const shared = bytesFor(1, large);
  const image = await pushImage(registry, app, { layers: [shared, bytesFor(2)], tags: tags("1.0") });
  const arm = await pushImage(registry, app, { layers: [bytesFor(3)], config: { architecture: "arm64" } });
  const index = await pushIndex(registry, app, [image.descriptor, arm.descriptor], {
    tags: tags("multi", "latest"),
  });
  const referrer = await pushImage(registry, app, {
    layers: [bytesFor(4)],
    subject: index.descriptor,
    artifactType: "application/x.sbom",
  });
  const other = await pushImage(registry, web, { layers: [shared], config: { web: true }, tags: tags("1") });
  return { image, index, referrer, other };
}

const sorted = (items: readonly string[]) => items.filter((item) => !item.startsWith("sha256-")).toSorted();

describe("berth import of a running registry", () => {
  test.skipIf(!isAvailable("docker-registry"))(
    "import brings everything over from docker-registry, and nothing again",
    async () => {
      const old = await startDockerRegistry();
      ending.push(old.stop);
      const pushed = await fill(clientOf(old));
      const to = await serve();
      const { exitCode, report } = await importJson(old.host, "--to", to.host);
      expect(exitCode).toBe(0);
      expect(report).toMatchObject({ repositories: 2, blobs: { sent: 7 }, faults: [] });
      const there = clientOf(to);
      expect(sorted((await there.listTags(app)).items)).toEqual(["1.0", "latest", "multi"]);
      expect((await there.resolveTag(app, parseTag("latest"))).digest).toBe(pushed.index.descriptor.digest);
      expect((await there.resolveTag(web, parseTag("1"))).digest).toBe(pushed.other.descriptor.digest);
      const referrers = await there.listReferrers(app, pushed.index.descriptor.digest);
      expect(referrers.items.map(({ digest }) => digest)).toEqual([pushed.referrer.descriptor.digest]);
      const before = to.requests.length;
      const again = await importJson(old.host, "--to", to.host);
      expect(again.report).toMatchObject({ tags: { new: 0, moved: 0 }, manifests: 0, bytes: 0 });
      expect(to.requests.slice(before).filter((request) => !/^(GET|HEAD) /.test(request))).toEqual([]);
    },
  );

  test("import follows what the source moved, and leaves tags alone with --keep-tags", async () => {
    const source = createMemoryRegistry();
    await fill(source);
    const [from, to] = [await serve(() => source), await serve()];
    await importJson(from.host, "--to", to.host);
    const moved = await pushImage(source, web, { layers: [bytesFor(9)], tags: tags("1", "2") });
    const kept = await importJson(from.host, "--to", to.host, "--keep-tags");
    expect(kept.report.tags).toMatchObject({ kept: 1, new: 1, moved: 0 });
    const { report } = await importJson(from.host, "--to", to.host);
    expect(report.tags).toMatchObject({ moved: 1, new: 0 });
    expect((await clientOf(to).resolveTag(web, parseTag("1"))).digest).toBe(moved.descriptor.digest);
  });

  test("import moves the other tags of an image when one may not move, also of an exported archive", async () => {
    const source = createMemoryRegistry();
    const { index } = await fill(source);
    const from = await serve(() => source);
    const archive = join(await scratch(), "exported.tar");
    expect(await runBerth(["export", `${from.host}/team/app`, "-o", archive])).toMatchObject({ exitCode: 0 });
    const whys = [];
    for (const origin of [from.host, archive]) {
      const to = await serve((registry) => ({
        ...registry,
        async putManifest(repository, input, options) {
          if (!input.tags.includes(parseTag("multi")))
            return registry.putManifest(repository, input, options);
          throw new RegistryError("TAG_PROTECTED", "multi is immutable");
        },
      }));
      const { exitCode, report, faults } = await importJson(
        origin,
        "--repository",
        "team/app",
        "--to",
        to.host,
      );
      expect([exitCode, report.tags]).toEqual([1, { new: 2, moved: 0, same: 0, kept: 0, failed: 1 }]);
      whys.push(faults);
      const there = clientOf(to);
      expect(sorted((await there.listTags(app)).items)).toEqual(["1.0", "latest"]);
      expect((await there.resolveTag(app, parseTag("latest"))).digest).toBe(index.descriptor.digest);
    }
    expect(whys).toEqual([1, 2].map(() => expect.stringMatching(/^team\/app:multi: .*multi is immutable/)));
  });

  test("import removes the other tags that are gone when one may not be removed", async () => {
    const source = createMemoryRegistry();
    await fill(source);
    const from = await serve(() => source);
    const folder = await scratch();
    const [first, second] = [join(folder, "first.tar"), join(folder, "second.tar")];
    const exported = (...args: readonly string[]) => runBerth(["export", `${from.host}/team/app`, ...args]);
    expect(await exported("-o", first)).toMatchObject({ exitCode: 0 });
    for (const gone of tags("1.0", "latest")) await source.deleteTag(app, gone);
    expect(await exported("--since", first, "-o", second)).toMatchObject({ exitCode: 0 });
    const to = await serve((registry) => ({
      ...registry,
      async deleteTag(repository, tag, options) {
        if (tag !== parseTag("1.0")) return registry.deleteTag(repository, tag, options);
        throw new RegistryError("TAG_PROTECTED", "1.0 is immutable");
      },
    }));
    expect(await importJson(first, "--to", to.host)).toMatchObject({ exitCode: 0 });
    const { exitCode, report, faults } = await importJson(second, "--to", to.host);
    expect([exitCode, faults]).toEqual([1, expect.stringMatching(/^team\/app:1\.0: .*1\.0 is immutable/)]);
    expect(report.removed).toBe(1);
    expect(sorted((await clientOf(to).listTags(app)).items)).toEqual(["1.0", "multi"]);
  });

  test("import takes what is named: by a pattern, by the address, or by a file, without asking for the list", async () => {
    const source = createMemoryRegistry();
    await fill(source);
    const hidden = (): Promise<never> => Promise.reject(new RegistryError("DENIED", "no list for you"));
    const [from, to] = [await serve(() => ({ ...source, listRepositories: hidden })), await serve()];
    const refused = await importJson(from.host, "--to", to.host);
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("--repositories") });
    const file = join(await scratch(), "list");
    await writeFile(file, "team/app # the first\n\nteam/nowhere\n");
    const listed = await importJson(from.host, "--to", to.host, "--repositories", file, "--no-referrers");
    expect(listed).toMatchObject({ exitCode: 1, report: { tags: { new: 3 } } });
    expect(listed.faults).toMatch(/^team\/nowhere: /);
    const { report } = await importJson(`${from.host}/team/web`, "--to", to.host);
    expect(report).toMatchObject({ repositories: 1, tags: { new: 1 }, faults: [] });
  });

  test("import reports a source that lies or breaks off, does the rest, and goes on when it is honest", async () => {
    const source = createMemoryRegistry();
    const { image } = await fill(source);
    await pushImage(source, app, { layers: [bytesFor(20, 30_000)], tags: tags("other-bytes") });
    await pushImage(source, app, { layers: [bytesFor(21, 31_000)], tags: tags("breaks-off") });
    const state = { honest: false };
    const lying: Registry = {
      ...source,
      async getBlob(repository, digest, options) {
        const handle = await source.getBlob(repository, digest, options);
        const { size } = handle.descriptor;
        if (state.honest) return handle;
        if (size === 30_000) return { ...handle, source: { kind: "bytes", bytes: bytesFor(99, size) } };
        if (size !== 31_000) return handle;
        const broken = async () =>
          new ReadableStream<Uint8Array>({
            start(controller) {
              controller.enqueue(bytesFor(21, 1000));
              controller.error(new Error("the disk of the source is gone"));
            },
          });
        return { ...handle, source: { kind: "stream", open: broken } };
      },
      async getManifest(repository, digest, options) {
        const stored = await source.getManifest(repository, digest, options);
        const isWrong = !state.honest && digest === image.descriptor.digest;
        return isWrong ? { ...stored, bytes: new TextEncoder().encode("{}") } : stored;
      },
      async listTags(repository, page) {
        const listed = await source.listTags(repository, page);
        return state.honest ? listed : { ...listed, items: [...listed.items, parseTag("ghost")] };
      },
      listRepositories: async () => ({ items: state.honest ? [app, web] : [app, empty, web] }),
    };
    const [from, to] = [await serve(() => lying), await serve()];
    const { exitCode, report, faults } = await importJson(from.host, "--to", to.host);
    expect(exitCode).toBe(1);
    expect(faults).toMatch(/team\/app:other-bytes: .*other bytes/);
    expect(faults).toMatch(/team\/app:breaks-off: /);
    expect(faults).toMatch(/team\/app:ghost: /);
    expect(faults).toMatch(/team\/app:1\.0: /);
    expect(faults).not.toContain("empty");
    expect(report.tags.new).toBeGreaterThan(0);
    expect((await clientOf(to).resolveTag(web, parseTag("1"))).size).toBeGreaterThan(0);
    state.honest = true;
    const honest = await importJson(from.host, "--to", to.host);
    expect(honest).toMatchObject({ exitCode: 0, faults: "" });
    expect(sorted((await clientOf(to).listTags(app)).items)).toEqual(
      sorted((await source.listTags(app)).items),
    );
  });

  test("import stops when the destination has no room, and says so once", async () => {
    const source = createMemoryRegistry();
    for (let number = 0; number < 8; number++) {
      const name = parseRepositoryName(`team/app-${number}`);
      await pushImage(source, name, { layers: [bytesFor(number, 20_000)], tags: tags("1", "2") });
    }
    const full = (): Promise<never> => Promise.reject(new RegistryError("STORAGE_FULL", "the disk is full"));
    const to = await serve((registry) => ({ ...registry, putBlob: full, appendUpload: full }));
    const { exitCode, report } = await importJson((await serve(() => source)).host, "--to", to.host);
    expect(exitCode).toBe(1);
    expect(report.stopped.message).toContain("full");
    expect(report.repositories).toBeLessThan(8);
  });
});

describe("berth import of archives and layouts", () => {
  test("import brings several archives and a folder into a registry, with what is in them only as far as it is", async () => {
    const folder = await scratch();
    const source = createMemoryRegistry();
    const { image, other } = await fill(source);
    const named = (repository: RepositoryName, name: string) => ({
      name: { registry: "docker.io" as never, repository, tag: parseTag(name) }, // parseRegistryName takes it
    });
    const [one, two] = [join(folder, "one.tar"), join(folder, "two.tar.gz")];
    await writeArchive(
      one,
      archiveOf([
        { registry: source, repository: app, digest: image.descriptor.digest, ...named(app, "1.0") },
      ]),
    );
    const packed = await Array.fromAsync(
      archiveOf([{ registry: source, repository: web, digest: other.descriptor.digest, ...named(web, "1") }]),
    );
    await writeFile(two, gzipSync(Buffer.concat(packed)));
    const layout = join(folder, "layout");
    const inLayout = openLayout(layout).at("localhost" as never); // likewise
    await pushImage(inLayout, parseRepositoryName("layout"), { layers: [bytesFor(7)], tags: tags("x") });

    const cut = join(folder, "cut.tar");
    await writeFile(cut, new Uint8Array(700));
    const to = await serve();
    const nameless = await importJson(cut, one, two, layout, "--to", to.host);
    expect(nameless.faults).toMatch(/cut\.tar: cannot read/);
    expect(nameless.exitCode).toBe(1);
    expect(nameless.faults).toContain("give one with --as");
    expect(nameless.report).toMatchObject({ repositories: 2, tags: { new: 2 } });
    const there = clientOf(to);
    expect((await there.resolveTag(app, parseTag("1.0"))).digest).toBe(image.descriptor.digest);
    expect((await there.resolveTag(web, parseTag("1"))).digest).toBe(other.descriptor.digest);
    const { exitCode } = await importJson(layout, "--as", "from/layout", "--to", to.host);
    expect(exitCode).toBe(0);
    await there.resolveTag(parseRepositoryName("from/layout"), parseTag("x"));
  });

  test("import unpacks compressed archives one after the other, and leaves nothing of them", async () => {
    const folder = await scratch();
    const source = createMemoryRegistry();
    const archives: string[] = [];
    for (const seed of [1, 2, 3]) {
      const { descriptor } = await pushImage(source, app, { layers: [bytesFor(seed)], config: { seed } });
      const name = { registry: "docker.io" as never, repository: app, tag: parseTag(`v${seed}`) }; // parseRegistryName takes it
      const image = { registry: source, repository: app, digest: descriptor.digest, name };
      archives.push(join(folder, `${seed}.tar.gz`));
      await writeFile(
        archives.at(-1) ?? "",
        gzipSync(Buffer.concat(await Array.fromAsync(archiveOf([image])))),
      );
    }
    const temporary = await scratch();
    const unpacked: number[] = [];
    const to = await serve((registry) => ({
      ...registry,
      async putManifest(...args) {
        unpacked.push((await readdir(temporary)).length);
        return registry.putManifest(...args);
      },
    }));
    const before = process.env.TMPDIR;
    process.env.TMPDIR = temporary;
    ending.push(async () => {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    });
    expect(await importJson(...archives, "--to", to.host)).toMatchObject({ exitCode: 0, faults: "" });
    expect(unpacked).toEqual([1, 1, 1]);
    expect(await readdir(temporary)).toEqual([]);
  });

  test("import says what is wrong with an archive that is cut off", async () => {
    const file = join(await scratch(), "cut.tar");
    await writeFile(file, new Uint8Array(700));
    const result = await runBerth(["import", file, "--to", "127.0.0.1:1"]);
    expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("cannot read") });
  });
});
