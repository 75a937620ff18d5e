import { defineCommand, UsageError } from "../../command.ts";
import { selectImages } from "../../images/filters.ts";
import { createdMs } from "../../images/local-image.ts";
import { readImages } from "../../images/read-images.ts";
import { type ImageRow, rowFields, rowHeadings, rowsOf } from "../../images/rows.ts";
import { imagesFlag } from "../../locations/local-images.ts";
import { formatAs } from "../../output/docker-format.ts";
import { writeJson } from "../../output/json.ts";

/** `berth image ls`. */
export const imageLs = defineCommand({
  operands: { name: { value: "REPOSITORY[:TAG]", optional: true, completion: "image" } },
  flags: {
    all: { type: "switch", short: "a", summary: "show also what is no image, such as signatures" },
    digests: { type: "switch", summary: "show digests" },
    filter: {
      type: "text",
      short: "f",
      value: "KEY=VALUE",
      multiple: true,
      summary: "show only what fits: reference, before, since, label or dangling",
    },
    format: { type: "text", value: "FORMAT", summary: "print table, json, or a template in Go's language" },
    "no-trunc": { type: "switch", summary: "show IDs whole" },
    quiet: { type: "switch", short: "q", summary: "print only IDs" },
    json: { type: "switch", summary: "print a JSON object for each" },
    ...imagesFlag,
  },
  description: `The newest image comes first. SIZE is what its layers take, compressed as they are.

A pattern for reference, also as REPOSITORY, is matched against the name with and without its tag, as docker does:
* is any run of characters but /, ? one of them, [a-z] one of a class. Several fit any one of them.`,
  examples: [
    { line: "berth image ls -f reference='*/image-gallery:1.*'", does: "version 1 in any one folder" },
    { line: "berth image ls -f dangling=true -q", does: "what has lost its tag" },
    { line: "berth image ls --format '{{.Repository}}:{{.Tag}} {{.Size}}'", does: "what you choose" },
  ],
  async run(context) {
    const { flags, operands, stdout } = context;
    if (flags.quiet && flags.json) throw new UsageError("--quiet and --json exclude each other");
    const { images } = await readImages(context);
    const shown = selectImages(images, { filters: flags.filter, name: operands.name, all: flags.all });
    const wanted = flags.format?.trim() ?? "table";
    const table = flags.quiet ? "{{.ID}}" : tableFormat(flags.digests);
    const format = wanted === "table" ? table : wanted; // docker's precedence
    const withDigests = flags.digests || flags.json || format === "json" || format.includes(".Digest");
    const rows = rowsOf(shown, withDigests);
    if (flags.json) {
      for (const row of rows) writeJson(stdout, plainRow(row));
      return 0;
    }
    const fields = rows.map((row) => rowFields(row, !flags["no-trunc"], Date.now()));
    stdout.write(formatAs(format, fields, rowHeadings));
    return 0;
  },
});

/** Docker's own table. */
function tableFormat(withDigests: boolean): string {
  const digest = withDigests ? "{{.Digest}}\\t" : "";
  return `table {{.Repository}}\\t{{.Tag}}\\t${digest}{{.ID}}\\t{{.CreatedSince}}\\t{{.Size}}`;
}

function plainRow({ image, repository, tag, digest }: ImageRow): unknown {
  const known = (text: string) => (text === "<none>" ? undefined : text);
  return {
    id: image.id,
    repository: known(repository),
    tag: known(tag),
    digest: known(digest),
    created: image.variant?.config.created && new Date(createdMs(image)).toISOString(),
    size: image.size,
    labels: image.variant?.config.labels,
  };
}
