import { isFromReading } from "../../layout/archive/files.ts";
import { type Gathered, gather, type ImageToSave } from "../../layout/archive/gather.ts";
import { hostPlatform } from "../../layout/archive/write.ts";
import type { Digest } from "../../oci/digests.ts";
import { isRegistryError } from "../../oci/errors.ts";
import { parseManifest } from "../../oci/manifests.ts";
import type { Tag } from "../../oci/names.ts";
import { errorCode } from "../../registry/files/durable.ts";
import { needsOf } from "../../registry/manifests.ts";
import type { Collected } from "./collected.ts";

/** Told what cannot be exported; the rest is. */
export type OnDamage = (where: string, error: unknown) => void;

const damageCodes = [
  ...(["BLOB_UNKNOWN", "DIGEST_INVALID", "SIZE_INVALID"] as const),
  ...(["MANIFEST_UNKNOWN", "MANIFEST_INVALID", "DENIED"] as const),
];

/** Whether an error says that something is lost, damaged or kept from us, and not that the registry cannot be reached. */
export function isDamage(error: unknown): boolean {
  if (isRegistryError(error, ...damageCodes)) return true;
  return ["EACCES", "EPERM", "ENOENT", "EIO"].includes(errorCode(error)) && isFromReading(error);
}

/** As `gather`, but tells what cannot be read and leaves it out. Resolves to the images that were left out, too. */
export async function gatherWhole(
  images: readonly ImageToSave[],
  signal: AbortSignal,
  onDamage: OnDamage,
): Promise<{ readonly gathered: Gathered; readonly leftOut: readonly ImageToSave[] }> {
  const options = { platform: hostPlatform, signal };
  try {
    return { gathered: await gather(images, options), leftOut: [] };
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  const leftOut: ImageToSave[] = [];
  let gathered = await gather([], options);
  for (const image of images) {
    try {
      gathered = merged(gathered, await gather([image], options));
    } catch (error) {
      if (!isDamage(error)) throw error;
      leftOut.push(image);
      onDamage(`${image.repository}@${image.digest}`, error);
    }
  }
  return { gathered, leftOut };
}

/** All that two have. */
export function merged(one: Gathered, other: Gathered): Gathered {
  return {
    tops: [...one.tops, ...other.tops],
    manifests: new Map([...one.manifests, ...other.manifests]),
    blobs: new Map([...one.blobs, ...other.blobs]),
    runnable: [...one.runnable, ...other.runnable],
  };
}

/** What is left of a repository without the manifests that need blobs which are lost. */
export function withoutBlobs(collected: Collected, lost: ReadonlySet<Digest>): Collected {
  const { gathered, tags } = collected;
  const broken = new Set<Digest>();
  const needed = new Set<Digest>();
  const needs = [...gathered.manifests].map(([digest, { bytes, descriptor }]) => {
    const names = needsOf(parseManifest(bytes, descriptor.mediaType)).map((need) => need.descriptor.digest);
    return { digest, names };
  });
  // An index may stand before or behind what it lists.
  for (let before = -1; before !== broken.size; ) {
    before = broken.size;
    for (const { digest, names } of needs) {
      if (names.some((name) => lost.has(name) || broken.has(name))) broken.add(digest);
    }
  }
  if (broken.size === 0) return collected;
  for (const { digest, names } of needs) if (!broken.has(digest)) for (const name of names) needed.add(name);
  const isLost = ([, digest]: readonly [Tag, Digest]): boolean => broken.has(digest);
  return {
    ...collected,
    tags: new Map([...tags].filter((each) => !isLost(each))),
    leftOut: new Set([...collected.leftOut, ...[...tags].filter(isLost).map(([tag]) => tag)]),
    gathered: {
      tops: gathered.tops.filter(({ descriptor }) => !broken.has(descriptor.digest)),
      manifests: new Map([...gathered.manifests].filter(([digest]) => !broken.has(digest))),
      blobs: new Map([...gathered.blobs].filter(([digest]) => needed.has(digest))),
      runnable: gathered.runnable.filter(({ manifest }) =>
        [manifest.config, ...manifest.layers].every(({ digest }) => !lost.has(digest)),
      ),
    },
  };
}
