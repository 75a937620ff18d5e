import { defineCommand } from "../command.ts";
import { compareConfigs, compareFiles, compareLayers } from "../diff/changes.ts";
import { formatDiff, plainDiff } from "../diff/printing.ts";
import { openSide, readFiles } from "../diff/sides.ts";
import { imagesFlag } from "../locations/local-images.ts";
import { locationsHelp } from "../locations/locations.ts";
import { parsePlatform } from "../locations/operands.ts";
import { registryFlags, withRemotes } from "../locations/registries.ts";
import { coloursFor } from "../output/colours.ts";
import { writeJson } from "../output/json.ts";

/** `berth diff`. */
export const diff = defineCommand({
  operands: { from: { value: "A", completion: "reference" }, to: { value: "B", completion: "reference" } },
  flags: {
    "no-files": { type: "switch", summary: "compare configs and layers alone, without reading layers" },
    platform: {
      type: "text",
      value: "PLATFORM",
      summary: "of images for several platforms, compare this one instead of this machine's",
      completion: "platform",
    },
    json: { type: "switch", summary: "print the differences as JSON" },
    ...imagesFlag,
    ...registryFlags,
  },
  description: `Shows what B has that A has not, and the other way round: config, environment, labels, layers, and files with their
sizes. A name means a local image if there is one, else one at a registry. ${locationsHelp}`,
  examples: [
    { line: "berth diff app:1.0 app:1.1", does: "what a release changed" },
    { line: "berth diff --no-files alpine:3.19 alpine:3.20", does: "at a glance" },
  ],
  run: (context) =>
    withRemotes(context, async (remotes) => {
      const { flags, operands, stdout, env, signal } = context;
      const platform = flags.platform === undefined ? undefined : parsePlatform(flags.platform);
      const from = await openSide(context, remotes, operands.from, platform);
      const to = await openSide(context, remotes, operands.to, platform);
      const layers = compareLayers(from.layers, to.layers);
      const isSame = layers.sharedBase === from.layers.length && from.layers.length === to.layers.length;
      const [before, after] =
        flags["no-files"] || isSame
          ? [new Map(), new Map()]
          : await readFiles(from, to, layers.sharedBase, signal);
      const found = {
        ...{ from, to, layers },
        ...compareConfigs(from.config, to.config),
        ...(flags["no-files"] ? {} : { files: compareFiles(before, after) }),
      };
      if (flags.json) writeJson(stdout, plainDiff(found));
      else stdout.write(formatDiff(found, coloursFor(stdout, env)));
      return 0;
    }),
});
