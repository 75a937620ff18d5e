import { join, resolve, sep } from "node:path";
import { RegistryError } from "../../oci/errors.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import { openBeside } from "../../store/data-folder.ts";
import type { Taken } from "../../store/local-files.ts";
import type { Metadata } from "../../store/metadata/metadata.ts";
import { planLine } from "../../store/metadata/tag-policy.ts";
import type { PastChange } from "../../store/metadata/tags.ts";
import { openStore } from "../../store/store.ts";
import { UsageError } from "../command.ts";
import { refuseForeignRoot } from "../data-folders.ts";
import { recordByOwner } from "../owner-record.ts";
import type { Conflict, ImportDestination } from "./destination.ts";
import type { SourceTag } from "./source.ts";

/** How a data folder is written to. */
export interface StoreDestinationOptions {
  /** Blobs are hard links of the source's files, where that can be. */
  readonly links: boolean;
  /** The names of the source's files are taken for their digests. */
  readonly trusts: boolean;
  /** What is imported, for the record of what was done; nothing is, if absent. */
  readonly sources: readonly string[] | undefined;
  /** Told what does not work beside, and is tried again. */
  readonly troubled: (what: string) => void;
}

/** Lets something be imported into the data folder of a Berth, which may run meanwhile. */
export async function withStoreDestination<T>(
  folder: string,
  { links, trusts, sources, troubled }: StoreDestinationOptions,
  act: (destination: ImportDestination) => Promise<T>,
): Promise<T> {
  await refuseForeignRoot(folder, "; files that it may not link are copied");
  const none = () => ({ blobs: 0, bytes: 0 });
  const files = { small: none(), linked: none(), copied: none() };
  const onTaken = (how: Taken, size: number): void => {
    files[how].blobs += 1;
    files[how].bytes += size;
  };
  const localFiles = { links, trusts, onTaken };
  const store = await openBeside(folder, () => openStore({ folder, isBeside: true, localFiles, troubled }));
  try {
    if (sources) await recordByOwner(store.metadata.audit, { action: "import", detail: sources.join(", ") });
    return await act({
      name: folder,
      registry: store.registry,
      setTags: (repository, tags) => setTags(store.metadata, repository, tags),
      replay: (repository, past) => replay(store.metadata, repository, past),
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

/** Who did it, in the history of tags whose source does not say. */
const importer = "import";

/** Each tag is a change of its own, at the time at which the source says that it was pushed. */
async function setTags(
  metadata: Metadata,
  repository: RepositoryName,
  tags: ReadonlyMap<Tag, SourceTag>,
): Promise<ReadonlyMap<Tag, RegistryError>> {
  const past: PastChange[] = [];
  for (const [tag, { digest, since = new Date() }] of tags) {
    const from = (await metadata.getTag(repository, tag))?.digest;
    const line = planLine(tag, from, digest, "push", "pushed");
    past.push({ at: since, actor: importer, kind: "push", manifest: digest, moves: [line] });
  }
  past.sort((one, other) => one.at.getTime() - other.at.getTime());
  const conflicts = await replay(metadata, repository, past);
  return new Map(
    conflicts.map(({ tag, reason }) => [
      tag,
      new RegistryError("CONFLICT", `it was moved by somebody else meanwhile: ${reason}`),
    ]),
  );
}

async function replay(
  metadata: Metadata,
  repository: RepositoryName,
  past: readonly PastChange[],
): Promise<readonly Conflict[]> {
  const found: Conflict[] = [];
  for (let at = 0; at < past.length; at += replayedAtOnce) {
    const { conflicts } = await metadata.replayChanges(repository, past.slice(at, at + replayedAtOnce));
    found.push(...conflicts);
  }
  return found;
}

/** Changes of one transaction: a server beside waits for a few milliseconds at most. */
const replayedAtOnce = 200;

/** @throws UsageError when one folder is within the other: the source is only read */
export function refuseOverlap(source: string, data: string): void {
  const [one, other] = [join(resolve(source), sep), join(resolve(data), sep)];
  if (!one.startsWith(other) && !other.startsWith(one)) return;
  throw new UsageError(
    `the data folder ${data} and the source ${source} are in each other: choose another folder with --data`,
  );
}
