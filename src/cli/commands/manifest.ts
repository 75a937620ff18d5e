import { defineCommand } from "../command.ts";
import { parseImage, parsePlatform } from "../operands.ts";
import { registryFlags, withRemotes } from "../registries.ts";
import { getManifestOf, getPlatformOf } from "../remote-manifests.ts";
import { atFlag, referenceAt } from "../tags.ts";

/** `berth manifest`: the very bytes, whose digest is the manifest's. */
export const manifest = defineCommand({
  operands: { reference: { value: "REFERENCE", completion: "reference" } },
  flags: {
    platform: {
      type: "text",
      value: "PLATFORM",
      summary: "of an index, print the manifest of this platform",
      completion: "platform",
    },
    ...atFlag,
    ...registryFlags,
  },
  description: "What it prints is the manifest byte by byte: its SHA-256 is the digest.",
  examples: [{ line: "berth manifest alpine | jq .layers", does: "the layers" }],
  run: (context) =>
    withRemotes(context, async ({ client }) => {
      const { flags, operands, stdout, signal } = context;
      const named = parseImage(operands.reference);
      const wanted = flags.platform === undefined ? undefined : parsePlatform(flags.platform);
      const remote = client(named.registry, { repository: named.repository });
      const reference = await referenceAt(context, remote, named, flags.at);
      const stored = await getManifestOf(remote, reference, { signal });
      const chosen = wanted ? await getPlatformOf(remote, reference, stored, wanted, { signal }) : stored;
      await stdout.writeBytes(chosen.bytes);
      if (stdout.isTerminal) stdout.write("\n"); // for the prompt; a program gets the bytes alone
      return 0;
    }),
});
