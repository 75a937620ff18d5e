import type { Layout } from "../../layout/layout.ts";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import {
  familiarName,
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../oci/references.ts";
import type { Registry } from "../../registry/registry.ts";
import { type Context, defineCommand, parseTyped } from "../command.ts";
import { imagesFlag, openLocalImages } from "../locations/local-images.ts";
import { mountSources } from "../locations/mount-sources.ts";
import { parsePlatform, parseRepository } from "../locations/operands.ts";
import { registryFlags, withRemotes } from "../locations/registries.ts";
import { afterTransferInterruption, transfer, transferFlags } from "../locations/transfers.ts";
import { writeJson } from "../output/json.ts";
import { pushWords } from "../output/progress/words.ts";
import { allItems } from "../pages.ts";

const operands = { name: { value: "NAME[:TAG]", completion: "image" } } as const;
const flags = {
  "all-tags": { type: "switch", short: "a", summary: "push all local tags of the repository" },
  platform: {
    type: "text",
    value: "PLATFORM",
    multiple: true,
    summary: "push only the image for this platform",
    completion: "platform",
  },
  referrers: { type: "switch", summary: "push what refers to it too: signatures, SBOMs" },
  ...transferFlags,
  ...imagesFlag,
  ...registryFlags,
} as const;

type PushContext = Context<typeof flags, typeof operands>;

/** `berth push`. */
export const push = defineCommand({
  operands,
  flags,
  description: `Only what the registry lacks is sent, and a layer that it has in another repository is mounted from there. A push that
broke off goes on where it stopped.`,
  examples: [{ line: "berth push -a registry.example.com/gallery/ui", does: "with all its tags" }],
  afterInterruption: afterTransferInterruption,
  run: (context) =>
    withRemotes(context, async ({ client }) => {
      const { flags, operands, stdout } = context;
      const all = flags["all-tags"];
      const typed = all ? parseRepository(operands.name) : parseTyped(parseReference, operands.name);
      const images = openLocalImages(context);
      const references = all ? await localTags(context, images, typed) : [withDefaultTag(typed)];
      const remote = client(typed.registry, { repository: typed.repository });
      if (!flags.quiet && !flags.json) {
        if (!all && references[0] !== typed) stdout.write(`Using default tag: ${references[0]?.tag}\n`);
        stdout.write(`The push refers to repository [${typed.registry}/${typed.repository}]\n`);
      }
      for (const reference of references) await pushOne(context, { images, remote, reference });
      return 0;
    }),
});

async function localTags(
  { signal }: PushContext,
  images: Layout,
  typed: Reference,
): Promise<readonly Reference[]> {
  const { registry, repository } = typed;
  const local = images.at(registry);
  const tags = await Array.fromAsync(allItems((page) => local.listTags(repository, page), signal)).catch(
    (error: unknown) => {
      if (isRegistryError(error, "NAME_UNKNOWN")) return [];
      throw error;
    },
  );
  if (tags.length > 0) return tags.map((tag) => ({ registry, repository, tag }));
  throw new RegistryError(
    "NAME_UNKNOWN",
    `cannot push ${familiarName(typed)}: no local image has a tag in it: see berth image ls, name one with berth tag`,
  );
}

interface Push {
  readonly images: Layout;
  readonly remote: Registry;
  /** With a tag or a digest. */
  readonly reference: Reference;
}

async function pushOne(context: PushContext, { images, remote, reference }: Push): Promise<void> {
  const { flags, stdout } = context;
  const { registry, repository, tag } = reference;
  const local = { registry: images.at(registry), repository };
  const platforms = flags.platform.map(parsePlatform);
  const digest = await localDigest(local.registry, reference);
  const result = await transfer(context, {
    source: { ...local, digest },
    destination: { registry: remote, repository, tags: tag ? [tag] : [] },
    platforms,
    referrers: flags.referrers,
    mountsFrom: await mountSources(images, reference),
    words: pushWords,
    ...(platforms.length === 0 ? { near: local } : {}), // an index that is made of some is not here
  });
  const { descriptor, tags, bytesSent } = result;
  const name = formatReference(reference);
  if (flags.json)
    writeJson(stdout, { state: "pushed", reference: name, image: descriptor, tags, bytes: bytesSent });
  else if (flags.quiet) stdout.write(`${name}\n`);
  else stdout.write(`${tag ?? digest}: digest: ${descriptor.digest} size: ${descriptor.size}\n`);
}

async function localDigest(local: Registry, reference: Reference) {
  const { repository, tag, digest } = reference;
  try {
    if (digest) return (await local.resolveManifest(repository, digest)).digest;
    if (tag) return (await local.resolveTag(repository, tag)).digest;
  } catch (cause) {
    if (!isRegistryError(cause, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")) throw cause;
    const name = familiarReference(reference);
    throw new RegistryError(
      cause.code,
      `cannot push ${name}: there is no local image of that name: see berth image ls, name one with berth tag`,
      { cause },
    );
  }
  throw new Error("a reference has a tag or a digest, once it is given the default tag");
}
