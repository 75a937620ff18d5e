import { join, resolve, sep } from "node:path";
import type { Taken } from "../../store/local-files.ts";
import { openStore } from "../../store/store.ts";
import { UsageError } from "../command.ts";
import type { ImportDestination } from "./destination.ts";

/** How a data folder is written to. */
export interface StoreDestinationOptions {
  /** Blobs are hard links of the source's files, where that can be. */
  readonly links: boolean;
  /** The names of the source's files are taken for their digests. */
  readonly trusts: boolean;
  /** Told what does not work beside, and is tried again. */
  readonly troubled: (what: string) => void;
}

/** Lets something be imported into the data folder of a Berth, which may run meanwhile. */
export async function withStoreDestination<T>(
  folder: string,
  { links, trusts, troubled }: StoreDestinationOptions,
  act: (destination: ImportDestination) => Promise<T>,
): Promise<T> {
  const none = () => ({ blobs: 0, bytes: 0 });
  const files = { small: none(), linked: none(), copied: none() };
  const onTaken = (how: Taken, size: number): void => {
    files[how].blobs += 1;
    files[how].bytes += size;
  };
  const localFiles = { links, trusts, onTaken };
  const store = await openStore({ folder, isBeside: true, localFiles, troubled });
  try {
    return await act({
      name: folder,
      registry: store.registry,
      mountsFrom: () => [undefined],
      holds: () => {},
      sending: new Map(),
      bounds: { repositories: 4, manifests: 8 },
      files,
    });
  } finally {
    await store.close();
  }
}

/** @throws UsageError when one folder is within the other: the source is only read */
export function refuseOverlap(source: string, data: string): void {
  const [one, other] = [join(resolve(source), sep), join(resolve(data), sep)];
  if (!one.startsWith(other) && !other.startsWith(one)) return;
  throw new UsageError(
    `the data folder ${data} and the source ${source} are in each other: choose another folder with --data`,
  );
}
