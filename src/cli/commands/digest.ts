import { familiarName } from "../../oci/references.ts";
import { defineCommand } from "../command.ts";
import { parseImage, parsePlatform } from "../locations/operands.ts";
import { registryFlags, withRemotes } from "../locations/registries.ts";
import { getManifestFor, platformFlag, resolveManifestOf } from "../locations/remote-manifests.ts";
import { atFlag, referenceAt } from "../management/tags.ts";
import { writeJson } from "../output/json.ts";

/** `berth digest`. */
export const digest = defineCommand({
  operands: { reference: { value: "REFERENCE", completion: "reference" } },
  flags: {
    ...platformFlag,
    "full-ref": { type: "switch", summary: "print the repository before it: NAME@DIGEST" },
    json: { type: "switch", summary: "print the whole descriptor as JSON" },
    ...atFlag,
    ...registryFlags,
  },
  run: (context) =>
    withRemotes(context, async ({ client }) => {
      const { flags, operands, stdout, signal } = context;
      const named = parseImage(operands.reference);
      const wanted = flags.platform === undefined ? undefined : parsePlatform(flags.platform);
      const remote = client(named.registry, { repository: named.repository });
      const reference = await referenceAt(context, remote, named, flags.at);
      const descriptor = wanted
        ? (await getManifestFor(remote, reference, wanted, { signal })).descriptor
        : await resolveManifestOf(remote, reference, { signal });
      const name = familiarName(reference);
      if (flags.json) writeJson(stdout, { reference: `${name}@${descriptor.digest}`, ...descriptor });
      else stdout.write(`${flags["full-ref"] ? `${name}@` : ""}${descriptor.digest}\n`);
      return 0;
    }),
});
