// Makes the image from executables that are there; bin/image.mjs makes those, runs this, and pushes what came of it.
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { formatSize } from "../../src/cli/output/units.ts";
import { writeArchive } from "../../src/layout/archive/files.ts";
import { archiveOf } from "../../src/layout/archive/write.ts";
import { openLayout } from "../../src/layout/layout.ts";
import { plainPlace } from "../../src/layout/names.ts";
import { parseTag, type Tag } from "../../src/oci/names.ts";
import { defaultTag, parseReference } from "../../src/oci/references.ts";
import type { Place } from "../../src/registry/copy/place.ts";
import { type ImageOrigin, type PutImage, putImage, putIndex } from "./assemble.ts";
import { originOf, version } from "./origin.ts";
import { fetchPackages } from "./packages.ts";
import { baseFiles, basePackages } from "./root-files.ts";

const root = join(import.meta.dir, "..", "..");
/** What the archives call it, so that `docker run berth` finds it. */
const name = parseReference("berth");
const tags = [parseTag(version), defaultTag];

const { values: options, positionals } = parseArgs({
  options: { output: { type: "string" }, revision: { type: "string" }, source: { type: "string" } },
  allowPositionals: true,
});
const { output = "", ...told } = options;
const folder = join(output, "layout");
const place: Place = {
  registry: openLayout(folder).at(plainPlace.registry),
  repository: plainPlace.repository,
};

try {
  await main();
} catch (error) {
  console.error(`npm run image: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const origin = originOf(process.env, told);
  await rm(folder, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  const images: PutImage[] = [];
  for (const given of positionals) images.push(await makeImage(given, origin));
  const descriptors = images.map(({ descriptor }) => descriptor);
  const { digest } = await putIndex(place, descriptors, origin, tags);
  console.log(`berth ${version} ${digest}`);
  for (const image of images) await finish(image);
  console.log(`layout ${folder}`);
}

/** @param given an architecture and its executable: `amd64=dist/executables/berth-linux-x64` */
async function makeImage(given: string, origin: ImageOrigin): Promise<PutImage> {
  const [architecture = "", path = ""] = given.split("=");
  const program = await readFile(path);
  const kept = join(root, "node_modules", ".cache", "berth-packages");
  const packages = await fetchPackages(basePackages, architecture, kept);
  const entries = baseFiles(program, packages);
  const license = await readFile(join(root, "LICENSE"));
  return putImage(
    place,
    architecture,
    [
      { entries, comment: `from packages of Debian: ${packages.map((one) => one.name).join(", ")}` },
      {
        entries: [
          { path: "usr/bin/berth", type: "file", content: program, mode: 0o755 },
          { path: "usr/share/doc/berth/copyright", type: "file", content: license },
        ],
        comment: `berth ${version}`,
      },
    ],
    origin,
  );
}

/** Writes what `docker load` reads: one platform, which is what it takes. */
async function finish({ descriptor, compressed, unpacked }: PutImage): Promise<void> {
  const { digest, platform } = descriptor;
  const archive = join(output, `berth-${version}-linux-${platform?.architecture}.tar`);
  const named = tags.map((tag: Tag) => ({ ...place, digest, name: { ...name, tag } }));
  await writeArchive(archive, archiveOf(named, platform ? { platform } : {}));
  const sizes = `${formatSize(compressed)} to pull, ${formatSize(unpacked)} on disk`;
  console.log(`linux/${platform?.architecture} ${digest}\n  ${sizes}\n  docker load --input ${archive}`);
}
