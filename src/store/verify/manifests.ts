import { algorithmOf, isDigest } from "../../oci/digests.ts";
import { type Manifest, parseManifest } from "../../oci/manifests.ts";
import { digestOf } from "../../registry/hash.ts";
import { needsOf } from "../../registry/manifests.ts";
import type { Fault, InspectedManifest } from "../metadata/verification.ts";

/** What is wrong with a manifest, and the manifest, if its bytes are its own. */
export interface ManifestVerdict {
  readonly faults: readonly Fault[];
  readonly manifest?: Manifest;
}

/** What is wrong with a row whose digest the disk changed. */
export const noDigest = "what the metadata have as its digest is none";

/** Compares a manifest's bytes with its digest, and what it names with what is recorded. */
export function checkManifest(row: InspectedManifest): ManifestVerdict {
  const { repository, digest, bytes, mediaType } = row;
  if (!isDigest(digest)) {
    return {
      faults: [{ kind: "metadata-damaged", subject: `manifest ${row.id}`, repository, detail: noDigest }],
    };
  }
  const about = { subject: digest, repository };
  const found = digestOf(bytes, algorithmOf(digest));
  if (found !== digest) {
    const detail = `its ${bytes.byteLength} bytes have the digest ${found}`;
    return { faults: [{ kind: "manifest-damaged", ...about, detail }] };
  }
  let manifest: Manifest;
  try {
    manifest = parseManifest(bytes, mediaType);
  } catch (error) {
    const detail = `it was stored, but is no manifest: ${error instanceof Error ? error.message : String(error)}`;
    return { faults: [{ kind: "manifest-damaged", ...about, detail }] };
  }
  const missing = new Set(
    needsOf(manifest)
      .filter(({ descriptor, kind }) => {
        const isBlob = kind !== "manifest" && row.blobs.has(descriptor.digest);
        return !isBlob && !(kind !== "blob" && row.children.has(descriptor.digest));
      })
      .map(({ descriptor }) => descriptor.digest),
  );
  const faults = [...missing].map((name): Fault => {
    return {
      kind: "reference-missing",
      ...about,
      detail: `it names ${name}, which its repository does not hold`,
    };
  });
  const subject = manifest.subject?.digest;
  if (subject !== undefined && !row.isReferrerOf(subject)) {
    faults.push({
      kind: "referrer-broken",
      ...about,
      detail: `it refers to ${subject}, which does not list it`,
    });
  }
  return { faults: oneOf(faults), manifest };
}

/** One fault of each kind: the first, with how many more there are. */
function oneOf(faults: readonly Fault[]): readonly Fault[] {
  return [...new Set(faults.map(({ kind }) => kind))].flatMap((kind) => {
    const [first, ...more] = faults.filter((fault) => fault.kind === kind);
    if (!first) return [];
    return [more.length > 0 ? { ...first, detail: `${first.detail}, and ${more.length} more` } : first];
  });
}
