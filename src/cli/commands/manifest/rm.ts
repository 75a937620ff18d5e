import { familiarName } from "../../../oci/references.ts";
import { defineCommand } from "../../command.ts";
import { parseImage } from "../../locations/operands.ts";
import { registryFlags, withRemotes } from "../../locations/registries.ts";
import { resolveManifestOf } from "../../locations/remote-manifests.ts";
import { writeJson } from "../../output/json.ts";

/** `berth manifest rm`. */
export const manifestRm = defineCommand({
  operands: { references: { value: "REFERENCE", multiple: true, completion: "reference" } },
  flags: {
    json: { type: "switch", summary: "print JSON, an object a line" },
    ...registryFlags,
  },
  description: `Deletes what each reference means, with every tag that points at it. Of an index, the images that it lists stay, each by
its digest. The registry gives the space back when it collects what nothing needs; until then, a Berth brings it back
with "berth tags undelete".`,
  examples: [{ line: "berth manifest rm localhost:5000/team/ui:1.0", does: "deletes the image that 1.0 is" }],
  run: (context) =>
    withRemotes(context, async ({ client }) => {
      const { flags, operands, stdout, signal } = context;
      const references = operands.references.map((text) => parseImage(text)); // all, before anything is deleted
      for (const reference of references) {
        const { registry, repository } = reference;
        const remote = client(registry, { repository });
        const { digest } = await resolveManifestOf(remote, reference, { signal });
        await remote.deleteManifest(repository, digest, { signal });
        const name = `${familiarName({ registry, repository })}@${digest}`;
        if (flags.json) writeJson(stdout, { reference: name });
        else stdout.write(`Deleted ${name}\n`);
      }
      return 0;
    }),
});
