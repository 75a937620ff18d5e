import { mkdir, open, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Digest } from "../../src/oci/digests.ts";
import { mediaTypes } from "../../src/oci/media-types.ts";
import { createHasher, digestOf } from "../../src/registry/hash.ts";
import { succeed } from "../../tests/fixtures/processes.ts";
import { type Bench, mib } from "../measure.ts";
import { berthProgram } from "../peers.ts";
import type { Row } from "../report.ts";

const layers = 1000;
const layerSize = 10 * mib;
const layersOfImage = 2;
const rounds = 3;

/**
 * Moving in a CNCF registry's data folder of 10 GiB on one file system: 1,000 layers of 500 images in 50 repositories. The
 * layers are holes, so that they take no room: what is read of them comes from memory and not from a disk.
 */
export async function importRows({ folder }: Bench): Promise<Row[]> {
  const source = join(folder, "registry");
  const blobs = await writeRegistryFolder(source);
  const target = join(folder, "import");
  const timed = async (run: () => Promise<unknown>, times = rounds): Promise<number[]> => {
    const samples: number[] = [];
    for (let round = 0; round < times; round++) {
      const began = performance.now();
      await run();
      samples.push((performance.now() - began) / 1000);
      await rm(target, { recursive: true, force: true });
    }
    return samples;
  };
  const [runtime = "", ...program] = berthProgram();
  const berth = (...more: readonly string[]) =>
    timed(() => succeed(runtime, [...program, "import", source, "--data", target, "--quiet", ...more]));
  const name = "import a data folder of 10 GiB";
  const row = (how: string, figures: Row["figures"]): Row => ({
    ...{ name: `${name}, ${how}`, unit: "s", higherIsBetter: false, figures },
  });
  const rows = [
    row("by hard links, digests trusted", [
      { peer: "berth", samples: await berth("--trust-digests") },
      { peer: "cp -al", samples: await timed(() => succeed("cp", ["-al", source, target])) },
    ]),
    row("by hard links, every digest verified", [
      { peer: "berth", samples: await berth() },
      { peer: "sha256sum", samples: await timed(() => succeed("sha256sum", blobs), 1) },
    ]),
  ];
  await rm(source, { recursive: true });
  return rows;
}

/** @returns the paths of the layers */
async function writeRegistryFolder(folder: string): Promise<readonly string[]> {
  const root = join(folder, "docker", "registry", "v2");
  const hasher = createHasher("sha256");
  const zeros = new Uint8Array(mib);
  for (let at = 0; at < layerSize; at += mib) hasher.update(zeros);
  const paths: string[] = [];
  let image: { mediaType: string; digest: Digest; size: number }[] = [];
  for (let layer = 0; layer < layers; layer++) {
    hasher.update(zeros.subarray(0, 1)); // each is longer than the one before
    const [digest, size] = [hasher.digestSoFar(), layerSize + layer + 1];
    const path = await fileFor(blobPath(root, digest));
    const file = await open(path, "w");
    await file.truncate(size);
    await file.close();
    paths.push(path);
    image.push({ mediaType: mediaTypes.ociLayerTar, digest, size });
    if (image.length < layersOfImage) continue;
    const number = (layer + 1) / layersOfImage;
    await writeImage(root, `team/app-${number % 50}`, `1.${number}`, image);
    image = [];
  }
  return paths;
}

async function writeImage(
  root: string,
  repository: string,
  tag: string,
  image: readonly object[],
): Promise<void> {
  const config = await writeBlob(root, { architecture: "amd64", os: "linux", tag });
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, ...config },
    layers: image,
  };
  const { digest } = await writeBlob(root, manifest);
  const manifests = join(root, "repositories", repository, "_manifests");
  const [algorithm = "", encoded = ""] = digest.split(":");
  for (const path of [
    join(manifests, "revisions", algorithm, encoded, "link"),
    join(manifests, "tags", tag, "current", "link"),
  ]) {
    await writeFile(await fileFor(path), digest);
  }
}

async function writeBlob(root: string, content: object): Promise<{ digest: Digest; size: number }> {
  const bytes = new TextEncoder().encode(JSON.stringify(content));
  const digest = digestOf(bytes);
  await writeFile(await fileFor(blobPath(root, digest)), bytes);
  return { digest, size: bytes.byteLength };
}

function blobPath(root: string, digest: Digest): string {
  const [algorithm = "", encoded = ""] = digest.split(":");
  return join(root, "blobs", algorithm, encoded.slice(0, 2), encoded, "data");
}

async function fileFor(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  return path;
}
