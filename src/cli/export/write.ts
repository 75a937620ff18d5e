import { writeArchive } from "../../layout/archive/files.ts";
import type { GatheredBlob } from "../../layout/archive/gather.ts";
import { type ArchiveContents, archiveOfContents, verifiedPieces } from "../../layout/archive/write.ts";
import type { Digest } from "../../oci/digests.ts";
import { forEachBounded } from "../../registry/concurrency.ts";
import { isDamage, type OnDamage, withoutBlobs } from "./damage.ts";
import { type ExportInput, type ExportPlan, planExport } from "./plan.ts";

/** An archive that was written. */
export interface WrittenExport extends ExportPlan {
  /** Bytes. */
  readonly size: number;
  /** What of the repositories is in it. */
  readonly repositories: ExportInput["repositories"];
}

/** Blobs that are read at once. */
const readBound = 4;

/**
 * Writes an archive of repositories. When a blob turns out to be lost or damaged, all that are left are read, and the
 * archive is begun anew without what needs those that are, which are told.
 * @throws as `writeArchive`
 */
export async function writeExport(
  input: ExportInput,
  path: string,
  { signal, onDamage }: { readonly signal: AbortSignal; readonly onDamage: OnDamage },
): Promise<WrittenExport> {
  const lost = new Set<Digest>();
  const whole = new Set<Digest>();
  for (;;) {
    const repositories = input.repositories.map((each) => withoutBlobs(each, lost));
    const plan = planExport({ ...input, repositories });
    let reading: GatheredBlob | undefined;
    const contents = noting(plan.contents, (blob) => {
      if (reading) whole.add(reading.descriptor.digest);
      reading = blob;
    });
    try {
      const size = await writeArchive(path, archiveOfContents(contents, { signal }), { signal });
      return { ...plan, size, repositories };
    } catch (error) {
      signal.throwIfAborted();
      if (!reading || !isDamage(error)) throw error;
      lost.add(reading.descriptor.digest);
      onDamage(nameOf(reading), error);
    }
    // So that it is not begun anew for each.
    const left = [...plan.contents.blobs.values()].filter(
      ({ descriptor: { digest } }) => !lost.has(digest) && !whole.has(digest),
    );
    await forEachBounded(left, readBound, async (blob) => {
      const error = await findDamage(blob, signal);
      if (error === undefined) return;
      lost.add(blob.descriptor.digest);
      onDamage(nameOf(blob), error);
    });
  }
}

function nameOf({ descriptor, place }: GatheredBlob): string {
  return `${place.repository}@${descriptor.digest}`;
}

/** Tells of each blob before it is read. */
function noting(contents: ArchiveContents, tell: (blob: GatheredBlob) => void): ArchiveContents {
  const blobs = [...contents.blobs].map(([digest, blob]): [Digest, GatheredBlob] => {
    const { registry } = blob.place;
    const getBlob: typeof registry.getBlob = (...args) => {
      tell(blob);
      return registry.getBlob(...args);
    };
    return [digest, { ...blob, place: { ...blob.place, registry: { ...registry, getBlob } } }];
  });
  return { ...contents, blobs: new Map(blobs) };
}

/** Reads all of a blob. Resolves to how it is lost or damaged, if it is. @throws what else goes wrong */
async function findDamage(blob: GatheredBlob, signal: AbortSignal): Promise<unknown> {
  try {
    for await (const _piece of verifiedPieces(blob, { signal })) signal.throwIfAborted();
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!isDamage(error)) throw error;
    return error;
  }
}
