import { expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

test("what index publishes is there when it is imported by the package's name", async () => {
  const published = await import("berth/registry");
  const here = await import("./index.ts");
  expect(Object.keys(published)).toEqual(Object.keys(here));
});

/** Pushes an image to one registry in memory, copies it to another and reads a part of it back from a file. */
const program = `
  import { copy, createMemoryRegistry, digestOf, openBlob } from ${JSON.stringify(join(import.meta.dir, "index.ts"))};
  import { writeFile } from "node:fs/promises";
  const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
  const bytes = new Uint8Array(600_000).fill(7);
  const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(bytes), size: bytes.byteLength };
  await from.putBlob("a", config, new Blob([bytes]).stream());
  const manifest = { schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config, layers: [config] };
  const input = { bytes: new TextEncoder().encode(JSON.stringify(manifest)), mediaType: manifest.mediaType, tags: ["1"] };
  await from.putManifest("a", input);
  await copy({ registry: from, repository: "a", tag: "1" }, { registry: to, repository: "b", tags: ["2"] });
  const { descriptor } = await to.getTag("b", "2");
  await writeFile(process.argv[2], bytes);
  const handle = { descriptor: config, source: { kind: "file", path: process.argv[2] } };
  let size = 0;
  for await (const chunk of await openBlob(handle, { first: 1, last: 500_000 })) size += chunk.byteLength;
  console.log(JSON.stringify([descriptor.digest === digestOf(input.bytes), size]));
`;

test("the room works when it runs on Node", async () => {
  const folder = await mkdtemp(join(tmpdir(), "berth-registry-"));
  try {
    await writeFile(join(folder, "program.ts"), program);
    const built = await Bun.build({
      entrypoints: [join(folder, "program.ts")],
      outdir: folder,
      target: "node",
      conditions: ["bun"], // the source, not what was built of it
    });
    expect(built.success).toBe(true);
    const run = Bun.spawn(["node", join(folder, "program.js"), join(folder, "blob")], {
      stdout: "pipe",
      stderr: "inherit",
    });
    expect(await new Response(run.stdout).text()).toBe("[true,500000]\n");
    expect(await run.exited).toBe(0);
  } finally {
    await rm(folder, { recursive: true });
  }
});
