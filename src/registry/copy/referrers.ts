import type { Descriptor } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import type { ReferrerOptions } from "../registry.ts";
import type { ManifestCopier } from "./manifests.ts";
import { isFound, type Run } from "./run.ts";

const subjectBound = 4;

/**
 * Copies the referrers of some subjects and of all that `manifests` has seen, and theirs, until there are no new ones.
 * @returns what the person who copies should know
 */
export async function copyReferrers(
  run: Run,
  manifests: ManifestCopier,
  first: readonly Digest[],
): Promise<readonly string[]> {
  const asked = new Set<Digest>();
  const warnings: string[] = [];
  for (let wave = first; ; ) {
    wave = [...new Set([...wave, ...manifests.seen])].filter((digest) => !asked.has(digest));
    if (wave.length === 0) return warnings;
    for (const digest of wave) asked.add(digest);
    await run.forEach(wave, subjectBound, async (subject) => {
      warnings.push(...(await copyReferrersOf(run, manifests, subject)));
    });
  }
}

async function copyReferrersOf(run: Run, manifests: ManifestCopier, subject: Digest): Promise<string[]> {
  const { source } = run;
  const { registry, repository } = source;
  const warnings: string[] = [];
  const copyOne = async (referrer: Descriptor): Promise<void> => {
    const resolve = (signal: AbortSignal) =>
      registry.resolveManifest(repository, referrer.digest, { signal });
    // A list that a client keeps under a tag can name what has been deleted since.
    if (await isFound(run.request(resolve))) return manifests.copyManifest(referrer);
    warnings.push(
      `${referrer.digest} is listed as a referrer of ${subject}, but is not there: it was left out`,
    );
  };
  let after: string | undefined;
  do {
    const options: ReferrerOptions = { ...(after === undefined ? {} : { after }) };
    const page = await run.request((signal) =>
      registry.listReferrers(repository, subject, { ...options, signal }),
    );
    await run.forEach(page.items, subjectBound, copyOne);
    after = page.next;
  } while (after !== undefined);
  return warnings;
}
