import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import {
  type Layout,
  type LayoutArchive,
  type LayoutEntry,
  openArchive,
  unpackArchive,
} from "../../layout/index.ts";
import { RegistryError } from "../../oci/errors.ts";
import { isIndex, parseManifest } from "../../oci/manifests.ts";
import { familiarReference } from "../../oci/references.ts";
import type { Place } from "../../registry/copy/place.ts";
import { piecesOf } from "../../registry/pieces.ts";
import { type Context, defineCommand, UsageError } from "../command.ts";
import { referenceOf } from "../images/filters.ts";
import { openInPlace } from "../images/open-in-place.ts";
import { platformsAtHand } from "../images/platforms-at-hand.ts";
import { imagesFlag, openLocalImages } from "../locations/local-images.ts";
import { afterTransferInterruption, transfer, transferFlags } from "../locations/transfers.ts";
import { writeJson } from "../output/json.ts";
import { copyWords } from "../output/progress/words.ts";

const flags = {
  input: {
    type: "text",
    short: "i",
    value: "FILE",
    summary: "read a file instead of standard input",
    completion: "file",
  },
  ...transferFlags,
  ...imagesFlag,
} as const;

type LoadContext = Context<typeof flags>;

/** `berth load`. */
export const load = defineCommand({
  operands: {},
  flags,
  description: `Reads a tar archive, also compressed with gzip or zstd: what docker save, podman save, skopeo or berth save wrote. A
file that is not compressed is read in place.`,
  examples: [
    { line: "berth load -i images.tar", does: "every image in it" },
    { line: "docker save app:1.0 | berth load", does: "from an engine" },
  ],
  afterInterruption: afterTransferInterruption,
  async run(context) {
    const { flags, stdin, cwd, signal } = context;
    if (flags.input === undefined && stdin.isTerminal) {
      throw new UsageError("there is nothing to load: use --input, or bring an archive on standard input");
    }
    const layout = openLocalImages(context);
    const path = flags.input === undefined ? undefined : resolve(cwd, flags.input);
    const archive = path === undefined ? undefined : await openInPlace(path);
    if (archive) return loadAll(context, layout, archive);
    return layout.withScratch(async (scratch) => {
      const packed = path === undefined ? piecesOf(stdin.stream()) : createReadStream(path);
      const name = path ?? "standard input";
      await unpackArchive(scratch, packed, { signal, name });
      return loadAll(context, layout, await openArchive(scratch, name));
    });
  },
});

async function loadAll(context: LoadContext, layout: Layout, archive: LayoutArchive): Promise<number> {
  if (archive.entries().length === 0)
    throw new RegistryError("MANIFEST_UNKNOWN", "the archive holds no image");
  for (const entry of archive.entries()) await loadOne(context, layout, archive, entry);
  return 0;
}

async function loadOne(
  context: LoadContext,
  layout: Layout,
  archive: LayoutArchive,
  entry: LayoutEntry,
): Promise<void> {
  const { flags, stdout } = context;
  const { registry, repository, tag, descriptor } = entry;
  const source = { registry: archive.at(registry), repository };
  const destination = { registry: layout.at(registry), repository };
  const result = await transfer(context, {
    source: { ...source, digest: descriptor.digest },
    destination: { ...destination, tags: tag ? [tag] : [] },
    platforms: await platformsAtHand(source, descriptor.digest),
    mountsFrom: () => [undefined],
    words: copyWords,
    near: destination,
  });
  const name = tag && familiarReference(referenceOf(entry));
  const { digest } = result.descriptor;
  if (flags.json) writeJson(stdout, { state: "loaded", reference: name, digest, bytes: result.bytesSent });
  else
    stdout.write(name ? `Loaded image: ${name}\n` : `Loaded image ID: ${await idOf(destination, digest)}\n`);
}

/** Docker's ID of an image: the digest of its config; of an index, its own. */
async function idOf(
  { registry, repository }: Place,
  digest: LayoutEntry["descriptor"]["digest"],
): Promise<string> {
  const { bytes, descriptor } = await registry.getManifest(repository, digest);
  const manifest = parseManifest(bytes, descriptor.mediaType);
  return isIndex(manifest) ? digest : manifest.config.digest;
}
