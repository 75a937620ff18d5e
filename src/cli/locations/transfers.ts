import type { Descriptor, Platform } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { isIndex, parseManifest } from "../../oci/manifests.ts";
import type { CopyEvent } from "../../registry/copy/events.ts";
import type { Place } from "../../registry/copy/place.ts";
import {
  type CopyDestination,
  type CopyOptions,
  type CopyResult,
  type CopySource,
  copy,
} from "../../registry/copy.ts";
import { needsOf } from "../../registry/manifests.ts";
import { createCollections } from "../collections.ts";
import type { Context, Surroundings } from "../command.ts";
import { printWarning } from "../output/messages.ts";
import { createProgress } from "../output/progress/progress.ts";
import type { ProgressWords } from "../output/progress/words.ts";

/** The flags of every command that moves images. */
export const transferFlags = {
  quiet: { type: "switch", short: "q", summary: "print only the result" },
  json: { type: "switch", summary: "print every event and the result as JSON, one a line" },
} as const;

/** What holds of every command that moves images. */
export const afterTransferInterruption = "the same command goes on where it stopped";

type TransferContext = Surroundings & Pick<Context<typeof transferFlags>, "flags">;

/** One image to move. */
export interface Transfer extends Pick<CopyOptions, "platforms" | "referrers" | "mountsFrom"> {
  readonly source: CopySource;
  readonly destination: CopyDestination;
  readonly words: ProgressWords;
  /** Where manifests are read at no cost, if either end is such a place: there, layers that nobody asked about are found. */
  readonly near?: Place;
}

/** Copies an image, and shows how it goes and what there is to know of it. */
export async function transfer(context: TransferContext, transfer: Transfer): Promise<CopyResult> {
  const result = await copyVisibly(context, transfer);
  for (const warning of result.warnings) printWarning(context, warning);
  return result;
}

async function copyVisibly(
  { flags, stdout, signal }: TransferContext,
  { source, destination, words, near, ...options }: Transfer,
): Promise<CopyResult> {
  const progress = createProgress(stdout, { words, json: flags.json, quiet: flags.quiet });
  const seen = new Set<Digest>();
  const collectAfter = createCollections();
  const onEvent = (event: CopyEvent): void => {
    collectAfter(event);
    seen.add(event.descriptor.digest);
    progress.onEvent(event);
  };
  try {
    const result = await copy(source, destination, { ...options, signal, onEvent });
    if (near) await reportRest(near, result.descriptor, seen, onEvent);
    return result;
  } finally {
    progress.end();
  }
}

/** A manifest that exists is not looked into; people want to see its layers nevertheless. */
async function reportRest(
  { registry, repository }: Place,
  top: Descriptor,
  seen: ReadonlySet<Digest>,
  report: (event: CopyEvent) => void,
): Promise<void> {
  const { bytes } = await registry.getManifest(repository, top.digest);
  for (const { descriptor, kind } of needsOf(parseManifest(bytes, top.mediaType))) {
    if (!seen.has(descriptor.digest)) report({ state: "exists", descriptor });
    if (kind === "manifest") await reportRest({ registry, repository }, descriptor, seen, report);
  }
}

/** The platforms that a manifest offers to choose from; none when it is no index, or one of other things. */
export function platformsIn(bytes: Uint8Array, mediaType: string): readonly Platform[] {
  const manifest = parseManifest(bytes, mediaType);
  if (!isIndex(manifest)) return [];
  return manifest.manifests.flatMap(({ platform }) =>
    platform && platform.os !== "unknown" ? [platform] : [],
  );
}
