import { isRegistryError } from "../../../oci/errors.ts";
import { defineCommand } from "../../command.ts";
import { inspectionOf } from "../../images/inspection.ts";
import { readImages } from "../../images/read-images.ts";
import { resolveImage } from "../../images/resolve-image.ts";
import { imagesFlag } from "../../locations/local-images.ts";
import { compileTemplate } from "../../output/go-template/template.ts";
import { writeJson } from "../../output/json.ts";
import { printError } from "../../output/messages.ts";

/** `berth image inspect`. */
export const imageInspect = defineCommand({
  operands: { images: { value: "IMAGE", multiple: true, completion: "image" } },
  flags: {
    format: {
      type: "text",
      short: "f",
      value: "FORMAT",
      summary: "print json, or a template in Go's language, for each",
    },
    json: { type: "switch", summary: "print a JSON object for each, in one line" },
    ...imagesFlag,
  },
  description:
    "It prints a list in docker's shape. An image is given by name, or by the beginning of its ID.",
  examples: [
    { line: "berth image inspect -f '{{json .Config.Labels}}' app:1.0", does: "the labels" },
    { line: "berth image inspect -f '{{index .RepoDigests 0}}' app:1.0", does: "name and digest" },
  ],
  async run(context) {
    const { flags, operands, stdout } = context;
    const { images } = await readImages(context);
    const found: Readonly<Record<string, unknown>>[] = [];
    let isMissing = false;
    for (const text of operands.images) {
      try {
        found.push(inspectionOf(resolveImage(images, text).image));
      } catch (error) {
        if (!isRegistryError(error)) throw error;
        isMissing = true;
        printError(context, error.message);
      }
    }
    if (flags.json || flags.format === "json") for (const each of found) writeJson(stdout, each);
    else if (flags.format !== undefined) {
      const template = compileTemplate(flags.format);
      for (const each of found) stdout.write(`${template(each)}\n`);
    } else stdout.write(`${JSON.stringify(found, undefined, 4)}\n`);
    return isMissing ? 1 : 0;
  },
});
