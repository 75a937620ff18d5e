import { familiarName } from "../../../oci/references.ts";
import { defineCommand } from "../../command.ts";
import { parseImage, parsePlatform } from "../../locations/operands.ts";
import { registryFlags, withRemotes } from "../../locations/registries.ts";
import { getManifestFor, platformFlag } from "../../locations/remote-manifests.ts";
import { atFlag, referenceAt } from "../../management/tags.ts";
import { writeJson } from "../../output/json.ts";

/** `berth manifest inspect`: for people, as docker prints it. */
export const inspectManifest = defineCommand({
  operands: { reference: { value: "REFERENCE", completion: "reference" } },
  flags: {
    ...platformFlag,
    verbose: { type: "switch", short: "v", summary: "print also its name, media type, digest and size" },
    json: { type: "switch", summary: "print it in one line" },
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
      const { bytes, descriptor } = await getManifestFor(remote, reference, wanted, { signal });
      const manifest: unknown = JSON.parse(new TextDecoder().decode(bytes));
      const Ref = `${familiarName(reference)}@${descriptor.digest}`;
      const shown = flags.verbose ? { Ref, Descriptor: descriptor, Manifest: manifest } : manifest;
      if (flags.json) writeJson(stdout, shown);
      else stdout.write(`${JSON.stringify(shown, undefined, 3)}\n`);
      return 0;
    }),
});
