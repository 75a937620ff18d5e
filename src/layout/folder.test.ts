import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeTemporaryFolder, startProcess } from "../../tests/fixtures/processes.ts";
import { type Digest, encodedOf } from "../oci/digests.ts";
import { parseRegistryName } from "../oci/references.ts";
import {
  repositoryA as a,
  repositoryB as b,
  bodyOf,
  bytesFor,
  describeBytes,
  errorOf,
  failureOf,
  heldBody,
  pushBlob,
  pushImage,
  pushIndex,
  readBlob,
  tags,
} from "../registry/contract/fixtures.ts";
import { copy } from "../registry/copy.ts";
import { createMemoryRegistry } from "../registry/memory.ts";
import { streamOf } from "../registry/streams.ts";
import { processSpace } from "./folder/lock.ts";
import { type Layout, openLayout } from "./layout.ts";
import { plainPlace } from "./names.ts";

const host = parseRegistryName("registry.example.com:5000");
const other = parseRegistryName("docker.io");

let folder: string;
let layout: Layout;

beforeEach(async () => {
  folder = join(await makeTemporaryFolder(), "images");
  layout = openLayout(folder);
});

afterEach(() => rm(join(folder, ".."), { recursive: true }));

const json = async (...path: string[]) => JSON.parse(await readFile(join(folder, ...path), "utf8"));
const filesIn = async (name: string): Promise<string[]> =>
  (await readdir(join(folder, name)).catch(() => [])).sort();
const blobFiles = () => filesIn("blobs/sha256");

describe("index.json", () => {
  test("putManifest names the whole reference as containerd and skopeo read it", async () => {
    const { descriptor } = await pushImage(layout.at(host), a, { tags: tags("1.0") });
    const name = "registry.example.com:5000/team/a:1.0";
    expect(await json("index.json")).toEqual({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: [
        {
          ...descriptor,
          annotations: {
            "org.opencontainers.image.ref.name": name,
            "io.containerd.image.name": name,
          },
        },
      ],
    });
    expect(await json("oci-layout")).toEqual({ imageLayoutVersion: "1.0.0" });
    expect((await readdir(folder)).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  });

  test("putManifest writes a tag alone when the place is that of plain entries", async () => {
    const registry = layout.at(plainPlace.registry);
    await pushImage(registry, plainPlace.repository, { tags: tags("latest") });
    const [entry] = (await json("index.json")).manifests;
    expect(entry.annotations).toEqual({ "org.opencontainers.image.ref.name": "latest" });
  });

  test("putManifest lists an index and not its children", async () => {
    const registry = layout.at(host);
    const children = [];
    for (const seed of [1, 2])
      children.push((await pushImage(registry, a, { layers: [bytesFor(seed)] })).descriptor);
    const { descriptor } = await pushIndex(registry, a, children, { tags: tags("1") });
    expect((await json("index.json")).manifests.map(({ digest }: { digest: Digest }) => digest)).toEqual([
      descriptor.digest,
    ]);
    await registry.deleteManifest(a, descriptor.digest);
    for (const child of children) expect(await registry.resolveManifest(a, child.digest)).toEqual(child);
  });

  test("fields and entries that are not understood stay when others change", async () => {
    await pushImage(layout.at(host), a, { tags: tags("1") });
    const document = await json("index.json");
    const strange = [{ mediaType: "x/y", digest: "blake3:00", size: 1 }, "what?"];
    const entry = { ...document.manifests[0], extra: { a: 1 } };
    await writeFile(
      join(folder, "index.json"),
      JSON.stringify({ ...document, annotations: { who: "me" }, manifests: [...strange, entry] }),
    );
    await pushImage(layout.at(host), b, { tags: tags("2") });
    const { manifests, annotations } = await json("index.json");
    expect(manifests.slice(0, 3)).toEqual([...strange, entry]);
    expect(manifests).toHaveLength(4);
    expect(annotations).toEqual({ who: "me" });
  });

  test("names that others write are understood", async () => {
    const { descriptor } = await pushImage(layout.at(host), a, { tags: tags("1") });
    const named = (annotations: object) => ({ ...descriptor, annotations });
    const [ref, image] = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];
    const manifests = [
      named({ [ref]: "latest" }),
      named({ [ref]: "alpine:3.20" }),
      named({ [ref]: "3.21", [image]: "docker.io/library/alpine:3.21" }),
      named({ [ref]: "index.docker.io/library/busybox:1" }),
      named({ [image]: `example.com/team/app@${descriptor.digest}` }),
      named({ [ref]: "not a name" }),
      descriptor,
    ];
    await writeFile(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
    const names = (await layout.entries()).map(({ registry, repository, tag }) => [
      `${registry}/${repository}`,
      tag,
    ]);
    expect(names as unknown[]).toEqual([
      ["localhost/layout", "latest"],
      ["docker.io/library/alpine", "3.20"],
      ["docker.io/library/alpine", "3.21"],
      ["docker.io/library/busybox", "1"],
      ["example.com/team/app", undefined],
      ["localhost/layout", undefined],
      ["localhost/layout", undefined],
    ]);
  });
});

describe("damaged layouts", () => {
  const broken: Record<string, [string, string, RegExp]> = {
    "index.json is cut off": ["index.json", '{"manifests":[', /index\.json is damaged: it is not JSON/],
    "index.json is a list": ["index.json", "[]", /not a JSON object/],
    "manifests is no list": ["index.json", '{"manifests":{}}', /manifests are not a list/],
    "the version is unknown": ["oci-layout", '{"imageLayoutVersion":"2.0.0"}', /version "2\.0\.0"/],
    "oci-layout is damaged": ["oci-layout", "", /oci-layout is damaged/],
  };
  for (const [what, [file, content, message]] of Object.entries(broken)) {
    test(`every operation rejects and changes nothing when ${what}`, async () => {
      await pushImage(layout.at(host), a, { tags: tags("1") });
      await writeFile(join(folder, file), content);
      const before = await readdir(folder, { recursive: true });
      const registry = openLayout(folder).at(host);
      for (const act of [
        () => registry.listTags(a),
        () => registry.putManifest(a, { bytes: bytesFor(1), mediaType: "", tags: [] }),
        () => pushBlob(registry, a, bytesFor(5)),
      ]) {
        const error = await errorOf(act(), "MANIFEST_INVALID");
        if (act.toString().includes("putManifest")) continue; // the manifest itself is wrong
        expect(error.message).toMatch(message);
      }
      expect((await readdir(folder, { recursive: true })).sort()).toEqual(before.sort());
      expect(await readFile(join(folder, file), "utf8")).toBe(content);
    });
  }

  test("a folder with other files is refused and left alone", async () => {
    await mkdir(folder);
    await writeFile(join(folder, "thesis.doc"), "");
    const error = await errorOf(pushBlob(layout.at(host), a, bytesFor(1)), "MANIFEST_INVALID");
    expect(error.message).toContain("thesis.doc");
    expect(await readdir(folder)).toEqual(["thesis.doc"]);
  });

  test("getTag names what is missing or damaged when a manifest's file is", async () => {
    const registry = layout.at(host);
    const [one] = tags("1");
    if (!one) throw new Error("one name gives one tag");
    const { descriptor } = await pushImage(registry, a, { tags: [one] });
    const path = join(folder, "blobs", "sha256", encodedOf(descriptor.digest));
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(1));
    expect((await errorOf(registry.getTag(a, one), "SIZE_INVALID")).message).toContain("is damaged");
    await rm(path);
    expect((await errorOf(registry.getTag(a, one), "MANIFEST_UNKNOWN")).message).toContain("is damaged");
  });
});

describe("broken transfers", () => {
  const bytes = bytesFor(7, 3_000_000);
  const { digest, size } = describeBytes(bytes);
  const asked: number[] = [];
  const reopen = async (offset: number) => {
    asked.push(offset);
    return streamOf(bytes.subarray(offset));
  };
  const breaking = (end: number) => bodyOf(bytes.subarray(0, end), new Error("the line is dead"));

  beforeEach(() => void asked.splice(0));

  test("putBlob goes on where the transfer of the same blob broke", async () => {
    await failureOf(layout.at(host).putBlob(a, { digest, size }, breaking(2_000_000), { reopen }));
    expect(await filesIn(".berth/ingest")).toHaveLength(1);
    const again = openLayout(folder).at(other); // as another run of the program does
    await again.putBlob(b, { digest, size }, breaking(0), { reopen });
    expect(asked).toEqual([2_000_000]);
    expect(await readBlob(again, b, { digest })).toEqual(bytes);
    expect(await filesIn(".berth/ingest")).toEqual([]);
  });

  test("putBlob asks for nothing when all had come", async () => {
    await failureOf(layout.at(host).putBlob(a, { digest, size }, breaking(size), { reopen }));
    await layout.at(host).putBlob(a, { digest, size }, breaking(0), { reopen });
    expect(asked).toEqual([]);
    expect(await readBlob(layout.at(host), a, { digest })).toEqual(bytes);
  });

  test("putBlob begins anew when what is left is damaged or too long", async () => {
    const damages: ((left: Buffer) => Uint8Array)[] = [
      (left) => left.map((byte, at) => (at === 5 ? byte ^ 1 : byte)),
      (left) => Buffer.concat([left, bytes]),
    ];
    for (const damage of damages) {
      const registry = layout.at(host);
      await failureOf(registry.putBlob(a, { digest, size }, breaking(1_000_000), { reopen }));
      const [name = ""] = await filesIn(".berth/ingest");
      const path = join(folder, ".berth", "ingest", name);
      await writeFile(path, damage(await readFile(path)));
      await registry.putBlob(a, { digest, size }, breaking(0), { reopen });
      expect(asked.at(-1)).toBe(0);
      expect(await readBlob(registry, a, { digest })).toEqual(bytes);
      await registry.deleteBlob(a, digest);
    }
  });

  test("putBlob leaves nothing when the sender cannot begin anywhere, or sent wrong bytes", async () => {
    const registry = layout.at(host);
    await failureOf(registry.putBlob(a, { digest, size }, breaking(2_000_000)));
    const wrong = streamOf(bytesFor(8, size));
    await errorOf(registry.putBlob(a, { digest, size }, wrong, { reopen }), "DIGEST_INVALID");
    await failureOf(registry.putBlob(a, { digest, size }, breaking(0), { reopen }));
    expect(await filesIn(".berth")).toEqual([]);
  });

  test("copy goes on where it was stopped, and tells how far it is", async () => {
    const from = createMemoryRegistry();
    await pushImage(from, a, { layers: [bytes], tags: tags("1") });
    const [tag] = tags("1");
    if (!tag) throw new Error("one name gives one tag");
    const source = { registry: from, repository: a, tag };
    const target = () => ({ registry: openLayout(folder).at(host), repository: b, tags: [tag] });
    const stop = new AbortController();
    const stopped = copy(source, target(), {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.state === "bytes" && event.bytes > 2_000_000) stop.abort(new Error("enough"));
      },
    });
    expect(await failureOf(stopped)).toEqual(new Error("enough"));
    expect(await layout.entries()).toEqual([]);
    const told: number[] = [];
    await copy(source, target(), {
      onEvent: (event) => {
        if (event.state === "bytes" && event.descriptor.size === size) told.push(event.bytes);
      },
    });
    expect(told[0]).toBeGreaterThan(1_000_000);
    expect(told.at(-1)).toBe(size);
    expect(await readBlob(layout.at(host), b, { digest })).toEqual(bytes);
    expect(await filesIn(".berth")).toEqual([]);
  });
});

describe("several at once", () => {
  const program = (seed: number) => `
    import { openLayout } from ${JSON.stringify(join(import.meta.dir, "layout.ts"))};
    import { pushImage, bytesFor, repositoryA } from ${JSON.stringify(join(import.meta.dir, "..", "registry", "contract", "fixtures.ts"))};
    const registry = openLayout(${JSON.stringify(folder)}).at("example.com");
    for (let at = 0; at < 10; at++) {
      await pushImage(registry, repositoryA, { layers: [bytesFor(at), bytesFor(${seed} * 100 + at)], tags: ["p${seed}-" + at] });
    }
  `;

  test("putManifest loses no tag when several processes push to one layout", async () => {
    const processes = [1, 2, 3].map((seed) => startProcess(process.execPath, ["--eval", program(seed)]));
    for (const each of processes) expect([await each.exited, each.output()]).toEqual([0, ""]);
    const found = (await layout.entries()).map(({ tag }) => tag as string);
    expect(found.sort()).toEqual(
      [1, 2, 3].flatMap((seed) => [...Array(10).keys()].map((at) => `p${seed}-${at}`)).sort(),
    );
    expect((await readdir(folder)).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  });

  test("putBlob does not wait when a process that held the lock was killed", async () => {
    await mkdir(join(folder, ".berth"), { recursive: true });
    const ended = startProcess("true", []);
    await ended.exited;
    const content = JSON.stringify({ host: processSpace(), pid: ended.pid, id: "x" });
    await writeFile(join(folder, ".berth", "lock"), content);
    const start = Date.now();
    await pushBlob(layout.at(host), a, bytesFor(1));
    expect(Date.now() - start).toBeLessThan(10_000);
  });
});

describe("remove", () => {
  test("remove deletes what only that image needs, and tells how much", async () => {
    const registry = layout.at(host);
    const shared = bytesFor(1);
    const one = await pushImage(registry, a, { layers: [shared, bytesFor(2, 5000)], tags: tags("1") });
    const two = await pushImage(registry, a, { layers: [shared, bytesFor(3)], tags: tags("2") });
    const result = await layout.remove(({ tag }) => (tag as string) === "1");
    expect(new Set(result.digests)).toEqual(
      new Set([one.descriptor.digest, describeBytes(bytesFor(2, 5000)).digest]),
    );
    expect(result.bytes).toBe(5000 + one.descriptor.size);
    expect(await blobFiles()).toHaveLength(4);
    for (const blob of two.blobs) expect((await readBlob(registry, a, blob)).byteLength).toBe(blob.size);
  });

  test("remove keeps what is being pushed and what another program has just written", async () => {
    const registry = layout.at(host);
    const pushed = await pushBlob(registry, a, bytesFor(1));
    const stranger = join(folder, "blobs", "sha256", encodedOf(describeBytes(bytesFor(9)).digest));
    await writeFile(stranger, bytesFor(9));
    await layout.remove(() => true);
    expect(await blobFiles()).toEqual(
      [encodedOf(pushed.digest), encodedOf(describeBytes(bytesFor(9)).digest)].sort(),
    );
    await utimes(stranger, 0, 0);
    await layout.remove(() => false);
    expect(await blobFiles()).toEqual([encodedOf(pushed.digest)]);
  });

  test("remove keeps all that an entry of an unknown kind names", async () => {
    const registry = layout.at(host);
    const layer = await pushBlob(registry, a, bytesFor(1));
    const manifest = new TextEncoder().encode(JSON.stringify({ blobs: [{ digest: layer.digest }] }));
    const blob = await pushBlob(registry, a, manifest);
    await rm(join(folder, ".berth"), { recursive: true });
    for (const name of await blobFiles()) await utimes(join(folder, "blobs", "sha256", name), 0, 0);
    const entry = { ...blob, mediaType: "application/vnd.oci.artifact.manifest.v1+json" };
    await writeFile(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
    expect((await layout.remove(() => false)).digests).toEqual([]);
    expect((await layout.remove(() => true)).digests).toHaveLength(2);
  });

  test("remove leaves what somebody who pushes was told is there", async () => {
    const registry = layout.at(host);
    const image = await pushImage(registry, a, { tags: tags("1") });
    for (const { digest } of image.blobs) await registry.resolveBlob(a, digest);
    await openLayout(folder).remove(() => true); // as another process does
    await registry.putManifest(a, { bytes: image.bytes, mediaType: "", tags: tags("2") });
    for (const blob of image.blobs) expect((await readBlob(registry, a, blob)).byteLength).toBe(blob.size);
    expect((await readdir(folder)).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  });

  test("tag makes an image whole in another repository of another registry", async () => {
    const image = await pushImage(layout.at(host), a, { tags: tags("1") });
    const [tag] = tags("2");
    if (!tag) throw new Error("one name gives one tag");
    await layout.tag(
      { registry: host, repository: a, digest: image.descriptor.digest },
      { registry: other, repository: b, tag },
    );
    await layout.remove(({ registry }) => registry === host);
    expect((await layout.at(other).getTag(b, tag)).bytes).toEqual(image.bytes);
    for (const blob of image.blobs)
      expect((await readBlob(layout.at(other), b, blob)).byteLength).toBe(blob.size);
  });

  test("copy mounts what any registry of the layout holds when it may", async () => {
    const image = await pushImage(layout.at(host), a, { tags: tags("1") });
    const [tag] = tags("1");
    if (!tag) throw new Error("one name gives one tag");
    const memory = createMemoryRegistry();
    await copy(
      { registry: layout.at(host), repository: a, tag },
      { registry: memory, repository: a, tags: [tag] },
    );
    const target = { registry: layout.at(other), repository: b, tags: [tag] };
    const mountsFrom = () => [undefined];
    const result = await copy({ registry: memory, repository: a, tag }, target, { mountsFrom });
    expect(result.bytesSent).toBe(0);
    expect(result.descriptor).toEqual(image.descriptor);
  });
});

test("putBlob rejects with the signal's reason and a later call goes on when it aborts", async () => {
  const stop = new AbortController();
  const { body, held } = heldBody(bytesFor(7, 1000).subarray(0, 10));
  const { digest, size } = describeBytes(bytesFor(7, 1000));
  const reopen = async (offset: number) => streamOf(bytesFor(7, 1000).subarray(offset));
  const put = layout.at(host).putBlob(a, { digest, size }, body, { signal: stop.signal, reopen });
  void held.then(() => stop.abort(new Error("enough")));
  expect(await failureOf(put)).toEqual(new Error("enough"));
  await layout.at(host).putBlob(a, { digest, size }, bodyOf(new Error("not read")), { reopen });
  expect(await readBlob(layout.at(host), a, { digest })).toEqual(bytesFor(7, 1000));
});
