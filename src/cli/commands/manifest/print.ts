import { defineCommand } from "../../command.ts";
import { parseImage, parsePlatform } from "../../locations/operands.ts";
import { registryFlags, withRemotes } from "../../locations/registries.ts";
import { getManifestFor, platformFlag } from "../../locations/remote-manifests.ts";
import { atFlag, referenceAt } from "../../management/tags.ts";

/** `berth manifest`: the very bytes, whose digest is the manifest's. */
export const printManifest = defineCommand({
  operands: { reference: { value: "REFERENCE", completion: "reference" } },
  flags: { ...platformFlag, ...atFlag, ...registryFlags },
  description: "What it prints is the manifest byte by byte: its SHA-256 is the digest.",
  examples: [{ line: "berth manifest alpine | sha256sum", does: "the digest" }],
  run: (context) =>
    withRemotes(context, async ({ client }) => {
      const { flags, operands, stdout, signal } = context;
      const named = parseImage(operands.reference);
      const wanted = flags.platform === undefined ? undefined : parsePlatform(flags.platform);
      const remote = client(named.registry, { repository: named.repository });
      const reference = await referenceAt(context, remote, named, flags.at);
      const { bytes } = await getManifestFor(remote, reference, wanted, { signal });
      await stdout.writeBytes(bytes);
      if (stdout.isTerminal) stdout.write("\n"); // for the prompt; a program gets the bytes alone
      return 0;
    }),
});
