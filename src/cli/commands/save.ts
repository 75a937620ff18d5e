import { resolve } from "node:path";
import { archiveOf, dockerArchiveOf, type ImageToSave, writeArchive } from "../../layout/index.ts";
import { type Context, defineCommand, UsageError } from "../command.ts";
import { imagesToSave } from "../images/images-to-save.ts";
import { readImages } from "../images/read-images.ts";
import { imagesFlag } from "../locations/local-images.ts";
import { parsePlatform } from "../locations/operands.ts";
import { writeJson } from "../output/json.ts";

const operands = { images: { value: "IMAGE", multiple: true, completion: "image" } } as const;
const flags = {
  output: {
    type: "text",
    short: "o",
    value: "FILE",
    summary: "write to a file instead of standard output",
    completion: "file",
  },
  format: {
    type: "text",
    value: "FORMAT",
    choices: ["oci", "docker-archive"],
    summary: "an OCI layout that docker load reads too, or docker's older kind with unpacked layers",
    otherwise: "oci",
  },
  platform: {
    type: "text",
    value: "PLATFORM",
    summary: "which image docker load is to take from one for several platforms",
    completion: "platform",
  },
  json: { type: "switch", summary: "print the result as JSON; with --output" },
  ...imagesFlag,
} as const;

/** `berth save`. */
export const save = defineCommand({
  operands,
  flags,
  description: `Writes local images to a tar archive. A repository without a tag is saved with all its tags. The archive is an OCI
image layout with every digest as it is, and docker load, podman load, skopeo and berth load read it.`,
  examples: [
    { line: "berth save -o images.tar app:1.0 app:1.1", does: "two images with the layers that they share" },
    { line: "berth save app:1.0 | gzip > app.tar.gz", does: "compressed" },
  ],
  async run(context) {
    const { flags, operands, stdout, signal } = context;
    if (flags.output === undefined && stdout.isTerminal) {
      throw new UsageError("an archive is not printed on a terminal: use --output, or redirect it");
    }
    if (flags.output === undefined && flags.json) throw new UsageError("--json goes with --output");
    const { layout, images } = await readImages(context);
    const wanted = imagesToSave(layout, images, operands.images);
    const pieces = piecesOf(context, wanted);
    if (flags.output === undefined) {
      for await (const piece of pieces) {
        signal.throwIfAborted();
        await stdout.writeBytes(piece);
      }
      return 0;
    }
    const path = resolve(context.cwd, flags.output);
    const size = await writeArchive(path, pieces, { signal });
    if (flags.json) writeJson(stdout, { file: path, size, images: wanted.map(({ digest }) => digest) });
    return 0;
  },
});

type SaveContext = Context<typeof flags, typeof operands>;

function piecesOf(context: SaveContext, wanted: readonly ImageToSave[]): AsyncIterable<Uint8Array> {
  const { format, platform } = context.flags;
  const wantedPlatform = platform === undefined ? {} : { platform: parsePlatform(platform) };
  const options = { signal: context.signal, ...wantedPlatform };
  return format === "docker-archive" ? dockerArchiveOf(wanted, options) : archiveOf(wanted, options);
}
