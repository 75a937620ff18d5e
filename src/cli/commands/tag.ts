import type { LayoutEntry } from "../../layout/index.ts";
import { defaultTag, familiarReference, parseReference } from "../../oci/references.ts";
import { defineCommand, parseTyped, UsageError } from "../command.ts";
import { readImages } from "../images/read-images.ts";
import { isNamed, resolveImage } from "../images/resolve-image.ts";
import { imagesFlag } from "../locations/local-images.ts";
import { writeJson } from "../output/json.ts";

/** `berth tag`. */
export const tag = defineCommand({
  operands: {
    source: { value: "SOURCE[:TAG]", completion: "image" },
    target: { value: "TARGET[:TAG]", completion: "image" },
  },
  flags: { json: { type: "switch", summary: "print the result as JSON" }, ...imagesFlag },
  description: "SOURCE is a local image, by name or by the beginning of its ID.",
  examples: [{ line: "berth tag app:1.0 registry.example.com/team/app:1.0", does: "a name to push it by" }],
  async run(context) {
    const { flags, operands, stdout } = context;
    const { digest, ...name } = parseTyped(parseReference, operands.target);
    if (digest)
      throw new UsageError("a tag cannot be made for a digest: leave @ and what follows out of TARGET");
    const target = { ...name, tag: name.tag ?? defaultTag };
    const { layout, images } = await readImages(context);
    const { image, reference } = resolveImage(images, operands.source);
    const named = image.entries.find((entry) => !reference || isNamed(entry, reference));
    const { descriptor, ...source } = named as LayoutEntry; // safe: an image has entries, and was found by this one
    await layout.tag({ ...source, digest: descriptor.digest }, target);
    if (flags.json)
      writeJson(stdout, { image: image.id, digest: descriptor.digest, tag: familiarReference(target) });
    return 0;
  },
});
