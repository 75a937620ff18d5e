import { defineCommand } from "../../command.ts";
import { historyFields, historyHeadings, historyOf } from "../../images/history.ts";
import { readImages } from "../../images/read-images.ts";
import { resolveImage } from "../../images/resolve-image.ts";
import { imagesFlag } from "../../locations/local-images.ts";
import { formatAs } from "../../output/docker-format.ts";
import { writeJson } from "../../output/json.ts";

const table = "table {{.ID}}\\t{{.CreatedSince}}\\t{{.CreatedBy}}\\t{{.Size}}\\t{{.Comment}}";

/** `berth image history`. */
export const imageHistory = defineCommand({
  operands: { image: { value: "IMAGE", completion: "image" } },
  flags: {
    format: { type: "text", value: "FORMAT", summary: "print table, json, or a template in Go's language" },
    human: {
      type: "text",
      short: "H",
      value: "true|false",
      choices: ["true", "false"],
      bare: "true",
      summary: "print times and sizes for people",
      otherwise: "true",
    },
    "no-trunc": { type: "switch", summary: "print everything whole" },
    quiet: { type: "switch", short: "q", summary: "print only IDs" },
    json: { type: "switch", summary: "print a JSON object for each step" },
    ...imagesFlag,
  },
  description: "The last step comes first. SIZE is what its layer takes, compressed as it is.",
  async run(context) {
    const { flags, operands, stdout } = context;
    const { images } = await readImages(context);
    const rows = historyOf(resolveImage(images, operands.image).image);
    if (flags.json) {
      for (const { id, step, size } of rows) {
        writeJson(stdout, { id: id.startsWith("<") ? undefined : id, ...step, size });
      }
      return 0;
    }
    const options = { truncates: !flags["no-trunc"], human: flags.human !== "false", nowMs: Date.now() };
    const fields = rows.map((row) => historyFields(row, options));
    const wanted = flags.format ?? "table";
    const format = wanted === "table" ? (flags.quiet ? "{{.ID}}" : table) : wanted; // docker's precedence
    stdout.write(formatAs(format, fields, historyHeadings));
    return 0;
  },
});
