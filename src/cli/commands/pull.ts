import { hostPlatform } from "../../layout/archive/write.ts";
import type { Platform } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import type { Tag } from "../../oci/names.ts";
import {
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../oci/references.ts";
import type { CopyResult } from "../../registry/copy.ts";
import { findPlatform, missingPlatform } from "../../registry/platforms.ts";
import type { Registry, StoredManifest } from "../../registry/registry.ts";
import { type Context, defineCommand, parseTyped, UsageError } from "../command.ts";
import { imagesFlag, openLocalImages } from "../locations/local-images.ts";
import { parsePlatform, parseRepository } from "../locations/operands.ts";
import { registryFlags, withRemotes } from "../locations/registries.ts";
import { getManifestOf } from "../locations/remote-manifests.ts";
import { afterTransferInterruption, platformsIn, transfer, transferFlags } from "../locations/transfers.ts";
import { atFlag, referenceAt } from "../management/tags.ts";
import { writeJson } from "../output/json.ts";
import { pullWords } from "../output/progress/words.ts";
import { allItems } from "../pages.ts";

const operands = { name: { value: "NAME[:TAG|@DIGEST]", completion: "reference" } } as const;
const flags = {
  "all-tags": { type: "switch", short: "a", summary: "pull all tags of the repository" },
  platform: {
    type: "text",
    value: "PLATFORM",
    multiple: true,
    summary: "pull for this platform instead of this machine's",
    completion: "platform",
  },
  "all-platforms": { type: "switch", summary: "pull for all platforms" },
  referrers: { type: "switch", summary: "pull what refers to it too: signatures, SBOMs" },
  ...atFlag,
  ...transferFlags,
  ...imagesFlag,
  ...registryFlags,
} as const;

type PullContext = Context<typeof flags, typeof operands>;

/** `berth pull`. */
export const pull = defineCommand({
  operands,
  flags,
  description: `Of an image for several platforms, it pulls that for this machine's. What is here already is not pulled again, and
a pull that broke off goes on where it stopped.`,
  examples: [
    { line: "berth pull alpine", does: "docker.io/library/alpine:latest" },
    { line: "berth pull --platform linux/arm64 registry.example.com/app:1.0", does: "for another platform" },
  ],
  afterInterruption: afterTransferInterruption,
  run: (context) =>
    withRemotes(context, async ({ client }) => {
      const { flags, operands, stdout, signal } = context;
      const all = flags["all-tags"];
      const typed = all ? parseRepository(operands.name) : parseTyped(parseReference, operands.name);
      if (all && flags.at !== undefined) throw new UsageError("--at wants one tag, not --all-tags");
      const platforms = parsePlatforms(context);
      const { registry, repository } = typed;
      const remote = client(registry, { repository });
      const pullOf = (reference: Reference) => pullOne(context, { remote, reference, platforms });
      if (!all) {
        const reference = withDefaultTag(typed);
        if (reference !== typed && isTold(context)) stdout.write(`Using default tag: ${reference.tag}\n`);
        await pullOf(await referenceAt(context, remote, reference, flags.at));
        return 0;
      }
      for await (const tag of allItems((page) => remote.listTags(repository, page), signal)) {
        await pullOf({ registry, repository, tag });
      }
      return 0;
    }),
});

/** Platforms that were named; none for all; or this machine's, where there is something to choose from. */
type WantedPlatforms = readonly Platform[] | "this machine's";

interface Pull {
  readonly remote: Registry;
  /** With a tag or a digest. */
  readonly reference: Reference;
  readonly platforms: WantedPlatforms;
}

function parsePlatforms({ flags }: PullContext): WantedPlatforms {
  if (flags.platform.length === 0) return flags["all-platforms"] ? [] : "this machine's";
  if (flags["all-platforms"]) throw new UsageError("--platform and --all-platforms exclude each other");
  return flags.platform.map(parsePlatform);
}

function isTold({ flags }: PullContext): boolean {
  return !flags.quiet && !flags.json;
}

async function pullOne(context: PullContext, { remote, reference, platforms }: Pull): Promise<void> {
  const { flags, stdout, signal } = context;
  const { registry, repository, tag, digest } = reference;
  const local = { registry: openLocalImages(context).at(registry), repository };
  const found = await getManifestOf(remote, reference, { signal });
  if (isTold(context)) stdout.write(`${tag ?? digest}: Pulling from ${repository}\n`);
  const before = tag && (await localDigest(local.registry, reference, tag));
  const result = await transfer(context, {
    source: { registry: withManifest(remote, found), repository, digest: found.descriptor.digest },
    destination: { ...local, tags: tag && !digest ? [tag] : [] },
    platforms: platforms === "this machine's" ? platformsOf(reference, found) : platforms,
    referrers: flags.referrers,
    mountsFrom: () => [undefined],
    words: pullWords,
    near: local,
  });
  tell(context, reference, { found, result, isNew: before !== result.descriptor.digest });
}

/** Gives a manifest that is at hand without asking for it again. */
function withManifest(remote: Registry, found: StoredManifest): Registry {
  return {
    ...remote,
    getManifest: async (repository, digest, options) =>
      digest === found.descriptor.digest ? found : remote.getManifest(repository, digest, options),
  };
}

interface Pulled {
  readonly found: StoredManifest;
  readonly result: CopyResult;
  readonly isNew: boolean;
}

function tell(context: PullContext, reference: Reference, { found, result, isNew }: Pulled): void {
  const { flags, stdout } = context;
  const { digest } = found.descriptor;
  // By a digest, an image is here under its own: of an index, only what it lists for a platform may have come.
  const local = reference.digest ? { digest: result.descriptor.digest } : {};
  const name = formatReference({ ...reference, ...local });
  if (flags.json) {
    const { descriptor: image, bytesSent } = result;
    writeJson(stdout, { state: "pulled", reference: name, isNew, digest, image, bytes: bytesSent });
    return;
  }
  if (isTold(context)) {
    const status = isNew ? "Downloaded newer image for" : "Image is up to date for";
    stdout.write(`Digest: ${digest}\nStatus: ${status} ${familiarReference(reference)}\n`);
  }
  stdout.write(`${name}\n`);
}

async function localDigest(
  local: Registry,
  { repository }: Reference,
  tag: Tag,
): Promise<Digest | undefined> {
  try {
    return (await local.resolveTag(repository, tag)).digest;
  } catch (error) {
    if (isRegistryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")) return undefined;
    throw error;
  }
}

/** @throws RegistryError MANIFEST_UNKNOWN when there is nothing for this machine */
function platformsOf(reference: Reference, { bytes, descriptor }: StoredManifest): readonly Platform[] {
  const offered = platformsIn(bytes, descriptor.mediaType);
  if (offered.length === 0) return [];
  if (findPlatform(offered, hostPlatform) !== undefined) return [hostPlatform];
  const missing = missingPlatform(descriptor, hostPlatform, offered).message;
  throw new RegistryError(
    "MANIFEST_UNKNOWN",
    `cannot pull ${familiarReference(reference)} for this machine: ${missing}: choose one with --platform, or pull all ` +
      "with --all-platforms",
  );
}
