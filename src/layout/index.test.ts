import { expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeTemporaryFolder, succeed } from "../../tests/fixtures/processes.ts";

test("what index publishes is there when it is imported by the package's name", async () => {
  const published = await import("berth/layout");
  const here = await import("./index.ts");
  expect(Object.keys(published)).toEqual(Object.keys(here));
});

/** Pushes an image into a layout, copies it to another, saves it in both forms and reads it back. */
const program = `
  import { archiveOf, dockerArchiveOf, openArchive, openLayout, unpackArchive, writeArchive } from ${JSON.stringify(join(import.meta.dir, "index.ts"))};
  import { copy, digestOf, openBlob } from ${JSON.stringify(join(import.meta.dir, "..", "registry", "index.ts"))};
  import { createReadStream, writeFileSync } from "node:fs";
  import { gzipSync } from "node:zlib";
  const folder = process.argv[2];
  const [from, to] = ["from", "to"].map((name) => openLayout(folder + "/" + name).at("example.com"));
  const layer = new Uint8Array(600_000).fill(7);
  const packed = gzipSync(layer);
  const put = async (mediaType, bytes) => {
    const blob = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
    await from.putBlob("a", blob, new Blob([bytes]).stream());
    return blob;
  };
  const text = JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [digestOf(layer)] } });
  const config = await put("application/vnd.oci.image.config.v1+json", new TextEncoder().encode(text));
  const layers = [await put("application/vnd.oci.image.layer.v1.tar+gzip", packed)];
  const manifest = { schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config, layers };
  const input = { bytes: new TextEncoder().encode(JSON.stringify(manifest)), mediaType: manifest.mediaType, tags: ["1"] };
  await from.putManifest("a", input);
  await copy({ registry: from, repository: "a", tag: "1" }, { registry: to, repository: "b", tags: ["2"] });
  const { descriptor } = await to.getTag("b", "2");
  const image = { registry: to, repository: "b", digest: descriptor.digest, name: { registry: "example.com", repository: "c", tag: "3" } };
  const sizes = [];
  for (const write of [archiveOf, dockerArchiveOf]) {
    const path = folder + "/" + write.name + ".tar";
    await writeArchive(path, write([image]));
    writeFileSync(path + ".gz", gzipSync(await import("node:fs").then((fs) => fs.readFileSync(path))));
    await unpackArchive(path, createReadStream(path + ".gz"));
    const [entry] = (await openArchive(path)).entries();
    const read = (await openArchive(path)).at(entry.registry);
    const { bytes } = await read.getTag(entry.repository, entry.tag);
    const [{ digest }] = JSON.parse(new TextDecoder().decode(bytes)).layers;
    let size = 0;
    for await (const chunk of await openBlob(await read.getBlob(entry.repository, digest))) size += chunk.byteLength;
    sizes.push(size);
  }
  const zstd = async function* () { yield Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0); };
  const failure = await unpackArchive(folder + "/never", zstd()).then(() => "none", (error) => error.message);
  console.log(JSON.stringify({ isSame: descriptor.digest === digestOf(input.bytes), sizes, packed: packed.byteLength, failure }));
`;

test("the room works when it runs on Node", async () => {
  const folder = await makeTemporaryFolder();
  try {
    await writeFile(join(folder, "program.ts"), program);
    const built = await Bun.build({
      entrypoints: [join(folder, "program.ts")],
      outdir: folder,
      target: "node",
      conditions: ["bun"], // the source, not what was built of it
    });
    expect(built.success).toBe(true);
    const output = await succeed("node", [join(folder, "program.js"), folder]);
    const { isSame, sizes, packed, failure } = JSON.parse(output);
    expect([isSame, sizes]).toEqual([true, [packed, 600_000]]);
    expect(failure).toMatch(/zstd/); // what is cut off, or what this Node does not know
  } finally {
    await rm(folder, { recursive: true });
  }
});
