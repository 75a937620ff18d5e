import type { Descriptor } from "../../../oci/descriptors.ts";
import type { Digest } from "../../../oci/digests.ts";
import { isManifestType, mediaTypes } from "../../../oci/media-types.ts";
import type { RepositoryName } from "../../../oci/names.ts";
import type { CopyEvent } from "../../../registry/copy/events.ts";

/** How many bytes had passed at a time. */
interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

/** One layer that is copied, as it stands. */
export interface Transfer {
  readonly descriptor: Descriptor;
  readonly state: CopyEvent["state"];
  readonly bytes: number;
  /** The repository that it was mounted from. */
  readonly from?: RepositoryName;
  /** The last seconds, for the speed. */
  readonly samples: readonly Sample[];
}

/** What has become of all layers, in the order in which they came up. */
export type Transfers = ReadonlyMap<Digest, Transfer>;

const sampleEveryMs = 200;
const windowMs = 3000;

/** Whether people want to see it: a layer, or an artifact's file; not a manifest or a config. */
export function isShown({ mediaType }: Descriptor): boolean {
  const hidden: readonly string[] = [mediaTypes.ociConfig, mediaTypes.dockerConfig, mediaTypes.ociEmpty];
  return !isManifestType(mediaType) && !hidden.includes(mediaType);
}

/** Takes in what happened. What is not shown changes nothing. */
export function withEvent(transfers: Transfers, event: CopyEvent, nowMs: number): Transfers {
  const { descriptor, state } = event;
  if (!isShown(descriptor)) return transfers;
  const before = transfers.get(descriptor.digest);
  const bytes = state === "bytes" ? event.bytes : state === "done" ? descriptor.size : (before?.bytes ?? 0);
  const transfer: Transfer = {
    descriptor,
    state,
    bytes,
    samples: withSample(before?.samples ?? [], { atMs: nowMs, bytes }),
    ...(state === "mounted" ? { from: event.from } : {}),
  };
  return new Map(transfers).set(descriptor.digest, transfer);
}

function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const last = samples.at(-1);
  if (last && sample.atMs - last.atMs < sampleEveryMs) return samples;
  return [...samples.filter(({ atMs }) => sample.atMs - atMs <= windowMs), sample];
}

/** Bytes a second over the last seconds; `undefined` while that cannot be said. */
export function speedOf({ samples, bytes }: Transfer, nowMs: number): number | undefined {
  const first = samples.find(({ atMs }) => nowMs - atMs <= windowMs);
  if (!first) return samples.length > 0 ? 0 : undefined;
  const elapsedMs = nowMs - first.atMs;
  return elapsedMs < sampleEveryMs ? undefined : (Math.max(0, bytes - first.bytes) * 1000) / elapsedMs;
}
