import { plainPlace } from "../../layout/names.ts";
import type { Platform } from "../../oci/descriptors.ts";
import { defaultTag, withDefaultTag } from "../../oci/references.ts";
import type { CopyResult } from "../../registry/copy.ts";
import { type Context, defineCommand, UsageError } from "../command.ts";
import { imagesFlag } from "../locations/local-images.ts";
import {
  type ArchiveLocation,
  formatLocation,
  isArchive,
  type Location,
  type LocationName,
  locationsHelp,
  type PlaceLocation,
  parseLocation,
} from "../locations/locations.ts";
import { type OpenedSource, openDestination, openSource } from "../locations/open-locations.ts";
import { parsePlatform } from "../locations/operands.ts";
import { type Remotes, registryFlags, withRemotes } from "../locations/registries.ts";
import { afterTransferInterruption, transfer, transferFlags } from "../locations/transfers.ts";
import { writeToArchive } from "../locations/write-archives.ts";
import { atFlag, referenceAt } from "../management/tags.ts";
import { writeJson } from "../output/json.ts";
import { copyWords } from "../output/progress/words.ts";
import { allItems } from "../pages.ts";

const operands = {
  source: { value: "SOURCE", completion: "reference" },
  destination: { value: "DESTINATION", completion: "reference" },
} as const;
const flags = {
  "all-tags": { type: "switch", short: "a", summary: "copy all tags of the source's repository" },
  platform: {
    type: "text",
    value: "PLATFORM",
    multiple: true,
    summary: "copy only the image for this platform; all if absent",
    completion: "platform",
  },
  referrers: { type: "switch", summary: "copy what refers to it too: signatures, SBOMs" },
  ...atFlag,
  ...transferFlags,
  ...imagesFlag,
  ...registryFlags,
} as const;

type CopyContext = Context<typeof flags, typeof operands>;

/** `berth copy`. */
export const copyImages = defineCommand({
  operands,
  flags,
  description: `${locationsHelp}

Only what is missing at the destination is moved. Without a tag, the destination gets the source's.`,
  examples: [
    { line: "berth copy alpine:3.20 localhost:5000/mirror/alpine", does: "between registries" },
    {
      line: "berth copy --platform linux/arm64 alpine:3.20 oci:folder:3.20",
      does: "one platform, into a folder",
    },
    {
      line: "berth copy -a localhost:5000/gallery/ui registry.example.com/gallery/ui",
      does: "with all its tags",
    },
  ],
  afterInterruption: afterTransferInterruption,
  run: (context) =>
    withRemotes(context, async (remotes) => {
      const source = parseLocation(context.operands.source);
      const destination = parseLocation(context.operands.destination);
      const platforms = context.flags.platform.map(parsePlatform);
      const opened = await openSourceAt(context, remotes, source);
      if (isArchive(destination)) {
        await copyToArchive(context, opened, destination, platforms);
        return 0;
      }
      const copyTo = (from: OpenedSource) => copyOne(context, { remotes, from, destination, platforms });
      if (!context.flags["all-tags"]) await copyTo(withTag(opened));
      else for (const from of await allTagsOf(context, opened, destination)) await copyTo(from);
      return 0;
    }),
});

/** Opens the source as it is, or as its tag was at a time; the destination gets that tag all the same. */
async function openSourceAt(context: CopyContext, remotes: Remotes, source: Location): Promise<OpenedSource> {
  const opened = await openSource(context, remotes, source);
  const { at, "all-tags": all } = context.flags;
  if (at === undefined) return opened;
  if (source.kind !== "registry" || all)
    throw new UsageError("--at wants one tag of a registry as the source");
  const reference = withDefaultTag(source.name);
  const client = remotes.client(reference.registry, { repository: reference.repository });
  const { digest } = await referenceAt(context, client, reference, at);
  return { ...opened, name: { ...reference, ...(digest && { digest }) } };
}

function withTag(source: OpenedSource): OpenedSource {
  const { name } = source;
  return name.tag || name.digest ? source : { ...source, name: { ...name, tag: defaultTag } };
}

async function allTagsOf(
  { signal }: CopyContext,
  source: OpenedSource,
  destination: Location,
): Promise<readonly OpenedSource[]> {
  for (const name of [source.name, destination.name]) {
    if (name?.tag || name?.digest)
      throw new UsageError("--all-tags wants repositories, without tag and digest");
  }
  const { registry, repository, name } = source;
  const tags = await Array.fromAsync(allItems((page) => registry.listTags(repository, page), signal));
  return tags.map((tag) => ({ ...source, name: { ...name, tag } }));
}

interface OneCopy {
  readonly remotes: Remotes;
  readonly from: OpenedSource;
  readonly destination: PlaceLocation;
  readonly platforms: readonly Platform[];
}

async function copyOne(
  context: CopyContext,
  { remotes, from, destination, platforms }: OneCopy,
): Promise<void> {
  const { flags } = context;
  const name = destinationName(from.name, destination);
  const target = openDestination(context, remotes, destination, name);
  const near = target.isNear ? target : from.isNear && platforms.length === 0 ? from : undefined;
  const { digest, tag = defaultTag } = from.name;
  const result = await transfer(context, {
    source: { ...from, ...(digest ? { digest } : { tag }) },
    destination: { ...target, tags: name.tag ? [name.tag] : [] },
    platforms,
    referrers: flags.referrers,
    words: copyWords,
    ...(target.isNear ? { mountsFrom: () => [undefined] } : {}),
    ...(near ? { near } : {}),
  });
  tell(context, formatLocation(destination, name), result);
}

async function copyToArchive(
  context: CopyContext,
  source: OpenedSource,
  destination: ArchiveLocation,
  platforms: readonly Platform[],
): Promise<void> {
  const { flags, stdout } = context;
  if (flags["all-tags"]) throw new UsageError("--all-tags does not go with an archive: copy to oci:FOLDER");
  if (flags.referrers) throw new UsageError("--referrers does not go with an archive: copy to oci:FOLDER");
  const { digest, size } = await writeToArchive(context, withTag(source), destination, platforms);
  const written = formatLocation(destination);
  if (flags.json) writeJson(stdout, { state: "copied", destination: written, image: { digest }, size });
  else if (flags.quiet) stdout.write(`${digest}\n`);
  else stdout.write(`${written}: digest: ${digest} size: ${size}\n`);
}

/** Where the copy goes: without a tag, it gets that of the source. */
function destinationName(source: LocationName, destination: PlaceLocation): LocationName {
  const name: LocationName = destination.name ?? plainPlace;
  if (name.digest)
    throw new UsageError("the destination has a digest, which follows from what is copied: leave it out");
  const tag = name.tag ?? source.tag;
  const { registry, repository } = name;
  return { registry, repository, ...(tag ? { tag } : {}) };
}

function tell({ flags, stdout }: CopyContext, destination: string, result: CopyResult): void {
  const { descriptor: image, tags, bytesSent: bytes } = result;
  if (flags.json) writeJson(stdout, { state: "copied", destination, image, tags, bytes });
  else if (flags.quiet) stdout.write(`${image.digest}\n`);
  else stdout.write(`${destination}: digest: ${image.digest} size: ${image.size}\n`);
}
