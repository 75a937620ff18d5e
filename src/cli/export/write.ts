import { writeArchive } from "../../layout/archive/files.ts";
import type { GatheredBlob } from "../../layout/archive/gather.ts";
import { type ArchiveContents, archiveOfContents } from "../../layout/archive/write.ts";
import type { Digest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import { forEachBounded } from "../../registry/concurrency.ts";
import { isFound } from "../../registry/copy/run.ts";
import { isDamage, type OnDamage, withoutBlobs } from "./damage.ts";
import { type ExportInput, type ExportPlan, planExport } from "./plan.ts";

/** An archive that was written. */
export interface WrittenExport extends ExportPlan {
  /** Bytes. */
  readonly size: number;
  /** What of the repositories is in it. */
  readonly repositories: ExportInput["repositories"];
}

const lookupBound = 8;

/**
 * Writes an archive of repositories. A blob that turns out to be lost or damaged is told, and the archive is begun anew
 * without what needs it.
 * @throws as `writeArchive`
 */
export async function writeExport(
  input: ExportInput,
  path: string,
  { signal, onDamage }: { readonly signal: AbortSignal; readonly onDamage: OnDamage },
): Promise<WrittenExport> {
  const lost = new Set<Digest>();
  for (;;) {
    const repositories = input.repositories.map((each) => withoutBlobs(each, lost));
    const plan = planExport({ ...input, repositories });
    let reading: GatheredBlob | undefined;
    const contents = noting(plan.contents, (blob) => {
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
    for (const blob of await findMissing(plan.contents, lost, signal)) {
      lost.add(blob.descriptor.digest);
      onDamage(nameOf(blob), new RegistryError("BLOB_UNKNOWN", "it is not there"));
    }
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

async function findMissing(
  { blobs }: ArchiveContents,
  known: ReadonlySet<Digest>,
  signal: AbortSignal,
): Promise<readonly GatheredBlob[]> {
  const missing: GatheredBlob[] = [];
  const unknown = [...blobs.values()].filter(({ descriptor }) => !known.has(descriptor.digest));
  await forEachBounded(unknown, lookupBound, async (blob) => {
    const { registry, repository } = blob.place;
    if (!(await isFound(registry.resolveBlob(repository, blob.descriptor.digest, { signal }))))
      missing.push(blob);
  });
  return missing;
}
