import type { Descriptor } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { isRegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import { createLimiter, forEachBounded } from "../concurrency.ts";
import type { CopyEvent } from "./events.ts";
import type { Place } from "./place.ts";

/** What the parts of one copy share. */
export interface Run {
  readonly source: Place;
  readonly destination: Place;
  /** From where at the destination a blob may be mounted, the likeliest first. */
  mountsFrom(digest: Digest): readonly (RepositoryName | undefined)[];
  /** Aborts from outside, and by the run's first failure. */
  readonly signal: AbortSignal;
  report(event: CopyEvent): void;
  /** Reports that something waits, once. */
  announce(descriptor: Descriptor): void;
  /** Makes a request without a body of note, some at a time. It gets a signal of its own, see {@link forkSignal}. */
  request<T>(make: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** As {@link forEachBounded}; the first failure ends the whole run. */
  forEach<T>(items: readonly T[], bound: number, act: (item: T) => Promise<void>): Promise<void>;
}

/** What {@link createRun} needs. */
export interface RunOptions {
  readonly source: Place;
  readonly destination: Place;
  readonly stop: AbortController;
  readonly mountsFrom: Run["mountsFrom"] | undefined;
  readonly onEvent: ((event: CopyEvent) => void) | undefined;
}

const requestBound = 8;

/**
 * A signal that aborts when another does. Many operations that listen to one signal look like a leak to Node, which says
 * so on the standard error stream. Where there is no `AbortSignal.any`, it is the other itself.
 */
export function forkSignal(signal: AbortSignal): AbortSignal {
  return typeof AbortSignal.any === "function" ? AbortSignal.any([signal]) : signal;
}

/** Begins a copy. */
export function createRun({ source, destination, stop, mountsFrom, onEvent }: RunOptions): Run {
  const { signal } = stop;
  const announced = new Set<Digest>();
  const limit = createLimiter(requestBound);
  const report = (event: CopyEvent): void => onEvent?.(event);
  return {
    source,
    destination,
    mountsFrom: (digest) =>
      source.registry === destination.registry ? [source.repository] : (mountsFrom?.(digest) ?? []),
    signal,
    report,
    announce(descriptor) {
      if (announced.has(descriptor.digest)) return;
      announced.add(descriptor.digest);
      report({ state: "waiting", descriptor });
    },
    request: (make) =>
      limit(async () => {
        signal.throwIfAborted();
        return make(forkSignal(signal));
      }),
    forEach: (items, bound, act) =>
      forEachBounded(items, bound, (item) =>
        act(item).catch((error: unknown) => {
          stop.abort(error); // the first one stays the reason
          throw error;
        }),
      ),
  };
}

/** Whether something can be resolved. */
export async function isFound(resolved: Promise<Descriptor>): Promise<boolean> {
  try {
    await resolved;
    return true;
  } catch (error) {
    if (isRegistryError(error, "BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "NAME_UNKNOWN")) return false;
    throw error;
  }
}
