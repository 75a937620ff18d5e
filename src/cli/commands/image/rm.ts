import type { LayoutEntry } from "../../../layout/index.ts";
import { isRegistryError } from "../../../oci/errors.ts";
import { type Context, defineCommand } from "../../command.ts";
import { readImages } from "../../images/read-images.ts";
import { planRemoval } from "../../images/removal.ts";
import { resolveImage } from "../../images/resolve-image.ts";
import { imagesFlag } from "../../locations/local-images.ts";
import { writeJson } from "../../output/json.ts";
import { printError } from "../../output/messages.ts";

const operands = { images: { value: "IMAGE", multiple: true, completion: "image" } } as const;
const flags = {
  force: {
    type: "switch",
    short: "f",
    summary: "remove an image with all its names; a missing one is no failure",
  },
  json: { type: "switch", summary: "print a JSON object for each" },
  ...imagesFlag,
} as const;

/** `berth image rm`. */
export const imageRm = defineCommand({
  operands,
  flags,
  description: `An image loses the name that is given, and goes with its last one, with all that no other image needs. By the
beginning of its ID it goes at once, unless it has several names.`,
  async run(context) {
    let isFailed = false;
    for (const text of context.operands.images) {
      try {
        await removeOne(context, text);
      } catch (error) {
        if (!isRegistryError(error)) throw error;
        isFailed ||= !(context.flags.force && isRegistryError(error, "MANIFEST_UNKNOWN"));
        printError(context, error.message);
      }
    }
    return isFailed ? 1 : 0;
  },
});

async function removeOne(context: Context<typeof flags, typeof operands>, text: string): Promise<void> {
  const { flags, stdout } = context;
  const { layout, images } = await readImages(context); // again each time: the one before changed them
  const { entries, untagged, deleted } = planRemoval(resolveImage(images, text), flags.force);
  const isRemoved = (entry: LayoutEntry): boolean => entries.some((removed) => isSame(entry, removed));
  const { digests, bytes } = await layout.remove(isRemoved);
  if (flags.json) return writeJson(stdout, { untagged, deleted, removed: digests, bytes });
  for (const name of untagged) stdout.write(`Untagged: ${name}\n`);
  if (deleted === undefined) return;
  stdout.write(`Deleted: ${deleted}\n`);
  for (const digest of digests) if (digest !== deleted) stdout.write(`Deleted: ${digest}\n`);
}

function isSame(one: LayoutEntry, other: LayoutEntry): boolean {
  return (
    one.registry === other.registry &&
    one.repository === other.repository &&
    one.tag === other.tag &&
    one.descriptor.digest === other.descriptor.digest
  );
}
