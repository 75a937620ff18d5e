import { open } from "node:fs/promises";
import { algorithmOf, type Digest, parseDigest } from "../../oci/digests.ts";
import { quote, RegistryError } from "../../oci/errors.ts";
import { maxManifestSize, parseManifest } from "../../oci/manifests.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import { digestOf } from "../../registry/hash.ts";
import type { ManifestReader, OperationOptions, StoredManifest, TagReader } from "../../registry/registry.ts";
import { isMissing } from "../folder/files.ts";
import type { RegistryPaths } from "./paths.ts";

/** Where a tag points. */
export interface TagLink {
  readonly digest: Digest;
  /** When it was pointed there last. */
  readonly since: Date;
}

/** @throws RegistryError MANIFEST_UNKNOWN when there is no such tag; MANIFEST_INVALID when its link is damaged */
export async function readTag(paths: RegistryPaths, repository: RepositoryName, tag: Tag): Promise<TagLink> {
  const path = paths.tag(repository, tag);
  const { bytes, changedAt } = await readSmall(
    path,
    () => new RegistryError("MANIFEST_UNKNOWN", `${repository} has no tag ${tag}`),
  );
  const text = new TextDecoder().decode(bytes);
  try {
    return { digest: parseDigest(text.trim()), since: changedAt };
  } catch (cause) {
    // An empty link is what a crash of that registry's machine leaves.
    throw new RegistryError(
      "MANIFEST_INVALID",
      `the tag ${tag} of ${repository} is damaged in the source: ${path} holds ${quote(text)} instead of a digest`,
      { cause },
    );
  }
}

async function readSmall(
  path: string,
  missing: () => RegistryError,
): Promise<{ readonly bytes: Uint8Array; readonly changedAt: Date }> {
  const file = await open(path, "r").catch((error: unknown) => {
    throw isMissing(error) ? missing() : error;
  });
  try {
    const { size, mtime } = await file.stat();
    if (size > maxManifestSize) {
      throw new RegistryError(
        "MANIFEST_TOO_LARGE",
        `${path} has ${size} bytes, the most is ${maxManifestSize}`,
      );
    }
    return { bytes: await file.readFile(), changedAt: mtime };
  } finally {
    await file.close();
  }
}

type Manifests = ManifestReader & Pick<TagReader, "getTag" | "resolveTag">;

/** Manifests of the folder. Their bytes are verified, because nobody else knows what they should be. */
export function createManifests(paths: RegistryPaths): Manifests {
  const getManifest = async (
    repository: RepositoryName,
    digest: Digest,
    options: OperationOptions = {},
  ): Promise<StoredManifest> => {
    options.signal?.throwIfAborted();
    const unknown = () =>
      new RegistryError("MANIFEST_UNKNOWN", `${repository} has no manifest ${digest} in the source`);
    await readSmall(paths.revision(repository, digest), unknown);
    const { bytes } = await readSmall(
      paths.blob(digest),
      () =>
        new RegistryError(
          "MANIFEST_UNKNOWN",
          `the manifest ${digest} of ${repository} is missing in the source: there is no ${paths.blob(digest)}`,
        ),
    );
    // First: the digest of one in the old format is of a part of its bytes.
    const { mediaType } = parseManifest(bytes, "");
    const found = digestOf(bytes, algorithmOf(digest));
    if (found === digest) return { bytes, descriptor: { mediaType, digest, size: bytes.byteLength } };
    throw new RegistryError(
      "DIGEST_INVALID",
      `the manifest ${digest} of ${repository} is damaged in the source: ${paths.blob(digest)} has the digest ${found}`,
    );
  };
  const getTag: TagReader["getTag"] = async (repository, tag, options) =>
    getManifest(repository, (await readTag(paths, repository, tag)).digest, options);
  return {
    getManifest,
    getTag,
    resolveManifest: async (...of) => (await getManifest(...of)).descriptor,
    resolveTag: async (...of) => (await getTag(...of)).descriptor,
  };
}
