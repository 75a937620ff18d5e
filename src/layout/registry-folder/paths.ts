import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { algorithmOf, type Digest, encodedOf } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import { isMissing } from "../folder/files.ts";

/**
 * Where the CNCF registry keeps things on its disk.
 * https://github.com/distribution/distribution/blob/v3.0.0/registry/storage/paths.go
 */
export interface RegistryPaths {
  /** The folder `docker/registry/v2`. */
  readonly root: string;
  readonly repositories: string;
  blob(digest: Digest): string;
  /** The folder of a repository's manifests, there once one was pushed. */
  manifests(repository: RepositoryName): string;
  /** The file that says that a repository has a manifest. */
  revision(repository: RepositoryName, digest: Digest): string;
  revisions(repository: RepositoryName): string;
  tags(repository: RepositoryName): string;
  /** The file with the digest that a tag points at. */
  tag(repository: RepositoryName, tag: Tag): string;
}

/** What stands between the folder that the registry is given and its own. */
const inside = ["docker", "registry", "v2"];

/**
 * Finds the CNCF registry's data in a folder: the one that its settings name (`rootdirectory`, /var/lib/registry), or one
 * within.
 * @throws RegistryError NAME_UNKNOWN when there is none; what the file system says
 */
export async function findRegistryPaths(folder: string): Promise<RegistryPaths> {
  const given = resolve(folder);
  for (let skipped = 0; skipped <= inside.length; skipped++) {
    const root = join(given, ...inside.slice(skipped));
    if ((await isFolder(join(root, "repositories"))) && (await isFolder(join(root, "blobs"))))
      return pathsIn(root);
  }
  throw new RegistryError(
    "NAME_UNKNOWN",
    `${given} is no data folder of the CNCF registry, or half of one: expected ${join(...inside)}/repositories and ` +
      `${join(...inside)}/blobs in it`,
  );
}

/** Whether a folder looks like the CNCF registry's. */
export async function isRegistryFolder(folder: string): Promise<boolean> {
  const roots = inside.map((_, skipped) => join(folder, ...inside.slice(skipped)));
  for (const root of [...roots, folder]) if (await isFolder(join(root, "repositories"))) return true;
  return false;
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function pathsIn(root: string): RegistryPaths {
  const repositories = join(root, "repositories");
  const manifests = (repository: RepositoryName) => join(repositories, repository, "_manifests");
  const revisions = (repository: RepositoryName) => join(manifests(repository), "revisions");
  const tags = (repository: RepositoryName) => join(manifests(repository), "tags");
  return {
    root,
    repositories,
    manifests,
    revisions,
    tags,
    blob(digest) {
      const encoded = encodedOf(digest);
      return join(root, "blobs", algorithmOf(digest), encoded.slice(0, 2), encoded, "data");
    },
    revision: (repository, digest) =>
      join(revisions(repository), algorithmOf(digest), encodedOf(digest), "link"),
    tag: (repository, tag) => join(tags(repository), tag, "current", "link"),
  };
}
