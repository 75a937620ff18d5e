import type { Digest } from "../../oci/digests.ts";
import type { CollectionMetadata } from "../metadata/collection.ts";
import { type CollectionRules, fateOf } from "../metadata/collection-decisions.ts";

/** What a run would give back now. */
export interface CollectionPlan {
  /** Removed manifests that could no longer be brought back. */
  readonly manifests: number;
  readonly blobs: number;
  readonly bytes: number;
  /** The first of the blobs, by name. */
  readonly first: readonly PlannedBlob[];
}

export interface PlannedBlob {
  readonly digest: Digest;
  /** Bytes that it gives back: none, if they are lost. */
  readonly size: number;
}

/** Candidates that are looked at before others get their turn. */
const pageSize = 100;
/** How many blobs are named. */
const mostNamed = 1000;

/** Plans a run, without writing anything. Costs as much as what waits, not as what is stored. */
export async function planCollection(
  metadata: CollectionMetadata,
  rules: CollectionRules,
): Promise<CollectionPlan> {
  const first: PlannedBlob[] = [];
  let [blobs, bytes] = [0, 0];
  const seen = new Set<number>();
  const take = ({ digest, size }: PlannedBlob): void => {
    blobs++;
    bytes += size;
    if (first.length < mostNamed) first.push({ digest, size });
  };
  // Those whose rows are gone already, and whose files are not.
  for (let after: number | undefined = 0; after !== undefined; ) {
    const waiting = await metadata.listRemovedFiles(pageSize, after);
    for (const { digest, size } of waiting) take({ digest, size });
    after = waiting.at(-1)?.id;
  }
  for (let next: string | undefined = ""; next !== undefined; ) {
    const page = await metadata.listCandidates(rules, next, pageSize);
    for (const id of page.blobs) {
      if (seen.has(id)) continue;
      seen.add(id);
      const facts = await metadata.blobFacts(id, 1); // one of a kind decides: those that last longest come first
      if (!facts) continue;
      const fate = fateOf(facts, rules);
      if (fate.kind !== "goes" || fate.at.getTime() > rules.now) continue;
      take({ digest: facts.digest, size: facts.isLost ? 0 : facts.size });
    }
    next = page.next;
    await new Promise(setImmediate);
  }
  return { manifests: await metadata.countExpired(rules), blobs, bytes, first };
}
