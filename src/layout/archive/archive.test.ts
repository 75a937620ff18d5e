import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { makeTemporaryFolder, succeed } from "../../../tests/fixtures/processes.ts";
import { mediaTypes } from "../../oci/media-types.ts";
import { parseTag, type Tag } from "../../oci/names.ts";
import { parseReference } from "../../oci/references.ts";
import { withFault } from "../../registry/contract/faults.ts";
import {
  repositoryA as a,
  bytesFor,
  describeBytes,
  errorOf,
  failureOf,
  imageBytes,
  jsonBytes,
  pushBlob,
  pushImage,
  pushIndex,
  readBlob,
} from "../../registry/contract/fixtures.ts";
import { copy } from "../../registry/copy.ts";
import { createMemoryRegistry } from "../../registry/memory.ts";
import { piecesOf } from "../../registry/pieces.ts";
import { streamOf } from "../../registry/streams.ts";
import { openLayout } from "../layout.ts";
import { unpackArchive, writeArchive } from "./files.ts";
import type { ImageToSave } from "./gather.ts";
import { openArchive } from "./open.ts";
import { archiveOf } from "./write.ts";
import { dockerArchiveOf } from "./write-docker.ts";

let folder: string;
beforeAll(async () => {
  folder = await makeTemporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

const nameOf = (text: string) => {
  const { registry, repository, tag = parseTag("latest") } = parseReference(text);
  return { registry, repository, tag };
};

/** A layer of one file, and the image of it in a registry, whose layers are compressed in different ways. */
const layerOf = (seed: number) => bytesFor(seed, 100_000);
const pack = { none: (bytes: Uint8Array) => bytes, gzip: gzipSync, zstd: zstdCompressSync } as const;

async function pushPacked(registry: ReturnType<typeof createMemoryRegistry>, tag?: Tag) {
  const kinds = ["none", "gzip", "zstd"] as const;
  const types = [mediaTypes.ociLayerTar, mediaTypes.ociLayerGzip, mediaTypes.ociLayerZstd];
  const plain = kinds.map((_, at) => layerOf(at + 1));
  const diffIds = plain.map((bytes) => describeBytes(bytes).digest);
  const config = jsonBytes({
    architecture: "amd64",
    os: "linux",
    rootfs: { type: "layers", diff_ids: diffIds },
  });
  const configBlob = { ...(await pushBlob(registry, a, config)), mediaType: mediaTypes.ociConfig };
  const layers = [];
  for (const [at, kind] of kinds.entries()) {
    const blob = await pushBlob(registry, a, pack[kind](plain[at] as Uint8Array)); // as many as there are kinds
    layers.push({ ...blob, mediaType: types[at] as string });
  }
  const bytes = imageBytes(configBlob, layers);
  const { descriptor } = await registry.putManifest(a, { bytes, mediaType: "", tags: tag ? [tag] : [] });
  return { descriptor, config: configBlob, layers, diffIds, plain };
}

describe("archiveOf", () => {
  test("archiveOf writes what openArchive reads: names, all platforms, every digest", async () => {
    const registry = createMemoryRegistry();
    const children = [];
    for (const architecture of ["amd64", "arm64"]) {
      const { descriptor } = await pushImage(registry, a, { config: { os: "linux", architecture } });
      children.push({ ...descriptor, platform: { os: "linux", architecture } });
    }
    const index = await pushIndex(registry, a, children);
    const single = await pushPacked(registry);
    const path = join(folder, "both.tar");
    const shared = { registry, repository: a };
    const images: ImageToSave[] = [
      { ...shared, digest: index.descriptor.digest, name: nameOf("alpine:3.20") },
      { ...shared, digest: index.descriptor.digest, name: nameOf("localhost:5000/alpine:3") },
      { ...shared, digest: single.descriptor.digest },
    ];
    const size = await writeArchive(path, archiveOf(images));
    expect(size).toBe(Bun.file(path).size);
    const archive = await openArchive(path);
    expect(
      archive.entries().map(({ registry: host, repository, tag }) => `${host}/${repository}:${tag}`),
    ).toEqual(["docker.io/library/alpine:3.20", "localhost:5000/alpine:3", "localhost/layout:undefined"]);
    const layout = openLayout(join(folder, "loaded"));
    for (const { registry: host, repository, tag, descriptor } of archive.entries()) {
      const from = { registry: archive.at(host), repository, digest: descriptor.digest };
      await copy(from, { registry: layout.at(host), repository, tags: tag ? [tag] : [] });
    }
    expect((await layout.entries()).map(({ descriptor }) => descriptor.digest)).toEqual([
      index.descriptor.digest,
      index.descriptor.digest,
      single.descriptor.digest,
    ]);
    const manifest = JSON.parse(await succeed("tar", ["-xOf", path, "manifest.json"]));
    expect(manifest.map(({ RepoTags }: { RepoTags: unknown }) => RepoTags)).toEqual([
      ["alpine:3.20", "localhost:5000/alpine:3"],
      null,
    ]);
  });

  test("archiveOf writes the blobs that an index lists itself, as a builder's cache does", async () => {
    const registry = createMemoryRegistry();
    const cached = { ...(await pushBlob(registry, a, bytesFor(31))), mediaType: mediaTypes.ociLayerGzip };
    const config = {
      ...(await pushBlob(registry, a, jsonBytes({ layers: [] }))),
      mediaType: "application/vnd.buildkit.cacheconfig.v0",
    };
    const { descriptor } = await pushIndex(registry, a, [cached, config]);
    const path = join(folder, "cache.tar");
    await writeArchive(path, archiveOf([{ registry, repository: a, digest: descriptor.digest }]));
    const archive = await openArchive(path);
    const [entry] = archive.entries();
    if (!entry) throw new Error("the archive has the index");
    const from = { registry: archive.at(entry.registry), repository: entry.repository };
    const loaded = createMemoryRegistry();
    await copy(
      { ...from, digest: descriptor.digest },
      { registry: loaded, repository: a, tags: [parseTag("cache")] },
    );
    expect(await readBlob(loaded, a, cached)).toEqual(bytesFor(31));
    expect((await loaded.resolveTag(a, parseTag("cache"))).digest).toBe(descriptor.digest);
  });

  test("archiveOf gives the same bytes when it is asked again", async () => {
    const registry = createMemoryRegistry();
    const { descriptor } = await pushPacked(registry);
    const images = [{ registry, repository: a, digest: descriptor.digest, name: nameOf("a:1") }];
    const paths = ["one.tar", "two.tar"].map((name) => join(folder, name));
    for (const path of paths) await writeArchive(path, archiveOf(images));
    const [one, two] = await Promise.all(paths.map((path) => readFile(path)));
    expect(one?.equals(two ?? Buffer.alloc(0))).toBe(true);
  });

  test("an archive is not written to, and says so", async () => {
    const registry = createMemoryRegistry();
    const { descriptor } = await pushPacked(registry);
    const path = join(folder, "read-only.tar");
    await writeArchive(path, archiveOf([{ registry, repository: a, digest: descriptor.digest }]));
    const archive = (await openArchive(path)).at(nameOf("x").registry);
    await errorOf(archive.putBlob(a, { digest: descriptor.digest }, streamOf(bytesFor(1))), "UNSUPPORTED");
  });
});

describe("dockerArchiveOf", () => {
  test("dockerArchiveOf unpacks layers, so that they have the digests of the config", async () => {
    const registry = createMemoryRegistry();
    const image = await pushPacked(registry);
    const path = join(folder, "docker.tar");
    const images = [{ registry, repository: a, digest: image.descriptor.digest, name: nameOf("team/app:1") }];
    await writeArchive(path, dockerArchiveOf(images, { scratch: folder }));
    const archive = await openArchive(path);
    const [entry] = archive.entries();
    if (!entry?.tag) throw new Error("the archive has one tag");
    expect([entry.registry, entry.repository, entry.tag] as string[]).toEqual(["docker.io", "team/app", "1"]);
    const read = archive.at(entry.registry);
    const { bytes } = await read.getTag(entry.repository, entry.tag);
    const manifest = JSON.parse(new TextDecoder().decode(bytes));
    expect(manifest.config.digest).toBe(image.config.digest);
    expect(manifest.layers.map(({ digest }: { digest: string }) => digest)).toEqual(image.diffIds);
    for (const [at, digest] of image.diffIds.entries()) {
      expect(await readBlob(read, entry.repository, { digest })).toEqual(image.plain[at] as Uint8Array); // as many
      const part = await readBlob(read, entry.repository, { digest }, { first: 10, last: 99 });
      expect(part).toEqual((image.plain[at] as Uint8Array).subarray(10, 100));
    }
    expect((await readdir(folder)).filter((name) => name.startsWith("berth-save"))).toEqual([]);
  });

  test("dockerArchiveOf rejects when a layer unpacks to something else, and leaves nothing", async () => {
    const registry = createMemoryRegistry();
    const config = jsonBytes({ rootfs: { diff_ids: [describeBytes(bytesFor(5)).digest] } });
    const configBlob = { ...(await pushBlob(registry, a, config)), mediaType: mediaTypes.ociConfig };
    for (const [packed, code] of [
      [gzipSync(bytesFor(6)), "DIGEST_INVALID"],
      [gzipSync(bytesFor(5)).subarray(0, -12), "MANIFEST_INVALID"],
    ] as const) {
      const layer = { ...(await pushBlob(registry, a, packed)), mediaType: mediaTypes.ociLayerGzip };
      const { descriptor } = await registry.putManifest(a, {
        bytes: imageBytes(configBlob, [layer]),
        mediaType: "",
        tags: [],
      });
      const out = join(folder, "out");
      await rm(out, { recursive: true, force: true });
      await succeed("mkdir", [out]);
      const archive = dockerArchiveOf([{ registry, repository: a, digest: descriptor.digest }], {
        scratch: out,
      });
      await errorOf(writeArchive(join(out, "x.tar"), archive), code);
      expect(await readdir(out)).toEqual([]);
    }
  });
});

describe("writeArchive", () => {
  test("writeArchive leaves what was there when a blob is damaged on its way", async () => {
    const registry = createMemoryRegistry();
    const image = await pushPacked(registry);
    const [layer] = image.layers;
    if (!layer) throw new Error("the image has layers");
    const faulty = withFault(registry, layer.digest, (bytes) => [bytes.map((byte) => byte ^ 1)]);
    const path = join(folder, "kept.tar");
    await writeFile(path, "before");
    const images = [{ registry: faulty, repository: a, digest: image.descriptor.digest }];
    await errorOf(writeArchive(path, archiveOf(images)), "DIGEST_INVALID");
    expect(await readFile(path, "utf8")).toBe("before");
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("writeArchive rejects with the signal's reason and leaves nothing when it aborts", async () => {
    const registry = createMemoryRegistry();
    const { descriptor } = await pushPacked(registry);
    const stop = new AbortController();
    const images = [{ registry, repository: a, digest: descriptor.digest }];
    const archive = archiveOf(images, {
      signal: stop.signal,
      onBytes: () => stop.abort(new Error("enough")),
    });
    const path = join(folder, "aborted.tar");
    expect(await failureOf(writeArchive(path, archive, { signal: stop.signal }))).toEqual(
      new Error("enough"),
    );
    expect(await Bun.file(path).exists()).toBe(false);
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

describe("unpackArchive", () => {
  test("unpackArchive gives the archive back however it is compressed, from any pieces", async () => {
    const bytes = bytesFor(3, 300_000);
    for (const [kind, packed] of Object.entries(pack)) {
      for (const pieceSize of [1000, 300_000]) {
        const path = join(folder, `unpacked-${kind}`);
        await unpackArchive(path, piecesOf(streamOf(packed(bytes), pieceSize)));
        expect(Buffer.compare(await readFile(path), bytes)).toBe(0);
      }
    }
  });

  test("unpackArchive says what is wrong when the data are damaged, cut off, or packed in another way", async () => {
    const packed = gzipSync(bytesFor(3, 300_000));
    const damaged = packed.map((byte, at) => (at === 5000 ? byte ^ 0xff : byte));
    for (const [bytes, code] of [
      [packed.subarray(0, 5000), "MANIFEST_INVALID"],
      [damaged, "MANIFEST_INVALID"],
      [Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), "UNSUPPORTED"],
      [Uint8Array.of(0x42, 0x5a, 0x68, 0x39, 0, 0), "UNSUPPORTED"],
    ] as const) {
      await errorOf(unpackArchive(join(folder, "never"), piecesOf(streamOf(bytes, 999))), code);
      expect(await Bun.file(join(folder, "never")).exists()).toBe(false);
    }
  });
});

describe("openArchive", () => {
  const archiveWith = async (files: Record<string, string | Uint8Array>) => {
    const { smallFile, endMark } = await import("./write.ts");
    const pieces = Object.entries(files).flatMap(([name, content]) => [
      ...smallFile(name, typeof content === "string" ? new TextEncoder().encode(content) : content),
    ]);
    const path = join(folder, "made.tar");
    await writeFile(path, Buffer.concat([...pieces, endMark]));
    return path;
  };
  const config = JSON.stringify({ rootfs: { diff_ids: [describeBytes(bytesFor(1)).digest] } });
  const manifest = (more: object = {}) =>
    JSON.stringify([{ Config: "c.json", RepoTags: ["a:1"], Layers: ["l/layer.tar"], ...more }]);
  const broken: Record<string, [Record<string, string | Uint8Array>, RegExp]> = {
    "it holds something else": [{ "thesis.txt": "" }, /neither index\.json/],
    "manifest.json is no JSON": [{ "manifest.json": "[" }, /manifest\.json is damaged/],
    "manifest.json is no list": [{ "manifest.json": "{}" }, /not a list/],
    "manifest.json lacks a config": [{ "manifest.json": "[{}]" }, /lacks a Config/],
    "the config is not there": [{ "manifest.json": manifest() }, /"c\.json", which is not in it/],
    "a layer is not there": [
      { "manifest.json": manifest(), "c.json": config },
      /"l\/layer\.tar", which is not/,
    ],
    "a layer is missing": [
      { "manifest.json": manifest({ Layers: [] }), "c.json": config },
      /0 layers .* has 1/,
    ],
    "the config is no JSON": [
      { "manifest.json": manifest(), "c.json": "x", "l/layer.tar": "" },
      /config "c\.json" is damaged/,
    ],
    "index.json is damaged": [
      { "oci-layout": '{"imageLayoutVersion":"1.0.0"}', "index.json": "{" },
      /index\.json is damaged/,
    ],
    "the version is unknown": [{ "oci-layout": "{}", "index.json": "{}" }, /layout version/],
  };
  for (const [what, [files, message]] of Object.entries(broken)) {
    test(`openArchive says so when ${what}`, async () => {
      const error = await errorOf(openArchive(await archiveWith(files)), "MANIFEST_INVALID");
      expect(error.message).toMatch(message);
      expect(error.message).toContain("made.tar");
    });
  }

  test("openArchive reads layers that are compressed in a docker archive under their own digests", async () => {
    const packed = gzipSync(bytesFor(1));
    const path = await archiveWith({ "manifest.json": manifest(), "c.json": config, "l/layer.tar": packed });
    const archive = await openArchive(path);
    const [entry] = archive.entries();
    if (!entry) throw new Error("the archive has an image");
    const { bytes } = await archive.at(entry.registry).getManifest(entry.repository, entry.descriptor.digest);
    expect(JSON.parse(new TextDecoder().decode(bytes)).layers).toEqual([
      { ...describeBytes(packed), mediaType: mediaTypes.ociLayerGzip },
    ]);
  });

  test("copy rejects and makes no image when a layer of the archive is damaged", async () => {
    const files = { "manifest.json": manifest(), "c.json": config, "l/layer.tar": bytesFor(2) };
    const archive = await openArchive(await archiveWith(files));
    const [entry] = archive.entries();
    if (!entry) throw new Error("the archive has an image");
    const layout = openLayout(join(folder, "never-loaded"));
    const from = {
      registry: archive.at(entry.registry),
      repository: entry.repository,
      digest: entry.descriptor.digest,
    };
    const to = { registry: layout.at(entry.registry), repository: entry.repository, tags: [parseTag("1")] };
    await errorOf(copy(from, to), "DIGEST_INVALID");
    expect(await layout.entries()).toEqual([]);
  });

  test("openArchive points to loading when the archive is compressed", async () => {
    const path = join(folder, "made.tar.gz");
    await writeFile(path, gzipSync(bytesFor(1)));
    const error = await errorOf(openArchive(path), "UNSUPPORTED");
    expect(error.message).toContain("gzip");
  });
});
