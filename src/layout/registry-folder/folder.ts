import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { type Digest, isDigest, isDigestAlgorithm } from "../../oci/digests.ts";
import { quote, RegistryError } from "../../oci/errors.ts";
import {
  isRepositoryName,
  isTag,
  maxRepositoryNameLength,
  type RepositoryName,
  type Tag,
} from "../../oci/names.ts";
import type { Registry } from "../../registry/registry.ts";
import { namesIn } from "../folder/files.ts";
import { refuseWrites } from "../read-only.ts";
import { createBlobs } from "./blobs.ts";
import { createLists } from "./lists.ts";
import { createManifests, readTag, type TagLink } from "./manifests.ts";
import { findRegistryPaths, type RegistryPaths } from "./paths.ts";
import { createReferrerLister } from "./referrers.ts";

/** The data folder of a CNCF registry ("docker-registry", "distribution"), which is only read. */
export interface RegistryFolder {
  /** The folder `docker/registry/v2` in it. */
  readonly root: string;
  /** Its repositories, as a registry that cannot be written to: UNSUPPORTED. */
  readonly registry: Registry;
  /**
   * Every repository that has a folder for manifests, in the order of their names' components.
   * @param onFault told, by its name, what cannot be read or is named as no repository can be; the rest is found
   *   nevertheless. Of all of them, the name is empty
   */
  repositories(
    onFault: (name: string, error: unknown) => void,
  ): AsyncGenerator<RepositoryName, void, undefined>;
  /**
   * The tags of a repository.
   * @param onFault told, by its name, whose link is damaged or cannot be read, which is left out. Of all of them, the name
   *   is empty
   */
  tags(
    repository: RepositoryName,
    onFault: (tag: string, error: unknown) => void,
  ): Promise<ReadonlyMap<Tag, TagLink>>;
  /** Every manifest that a repository has, with or without a tag. @param onFault told what cannot be read */
  revisions(repository: RepositoryName, onFault: (error: unknown) => void): Promise<readonly Digest[]>;
}

/**
 * Opens the data folder of a CNCF registry. Nothing in it is changed, and the registry may run meanwhile.
 * @throws RegistryError NAME_UNKNOWN when it is none; what the file system says
 */
export async function openRegistryFolder(folder: string): Promise<RegistryFolder> {
  const paths = await findRegistryPaths(folder);
  const manifests = createManifests(paths);
  return {
    root: paths.root,
    revisions: (repository, onFault) => revisionsIn(paths, repository, onFault),
    repositories: (onFault) => repositoriesBelow(paths.repositories, "", onFault),
    async tags(repository, onFault) {
      const found = new Map<Tag, TagLink>();
      const names = await namesIn(paths.tags(repository)).catch(
        toldOf<string>((error) => onFault("", error)),
      );
      for (const name of names.toSorted()) {
        try {
          if (!isTag(name)) throw new RegistryError("TAG_INVALID", `${quote(name)} is no name of a tag`);
          found.set(name, await readTag(paths, repository, name));
        } catch (error) {
          onFault(name, error);
        }
      }
      return found;
    },
    registry: {
      ...createBlobs(paths),
      ...manifests,
      ...createReferrerLister((repository) => revisionsIn(paths, repository, refuse), manifests.getManifest),
      ...createLists(paths, () => Array.fromAsync(repositoriesBelow(paths.repositories, "", () => {}))),
      ...refuseWrites(`${paths.root} is another registry's and is only read`),
    },
  };
}

/** Folders whose names begin with `_` are the registry's own; a repository may stand within another. */
async function* repositoriesBelow(
  folder: string,
  name: string,
  onFault: (name: string, error: unknown) => void,
): AsyncGenerator<RepositoryName, void, undefined> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(
    toldOf<Dirent>((error) => onFault(name, error)),
  );
  const nameOf = (child: string) => (name === "" ? child : `${name}/${child}`);
  const names: string[] = [];
  for (const entry of entries) {
    const isLink = entry.isSymbolicLink();
    const fail = (error: unknown): void => onFault(nameOf(entry.name), error);
    if (isLink ? await leadsToFolder(join(folder, entry.name)).catch(fail) : entry.isDirectory())
      names.push(entry.name);
  }
  if (name !== "" && names.includes("_manifests")) {
    if (isRepositoryName(name)) yield name;
    else onFault(name, new RegistryError("NAME_INVALID", `${quote(name)} is no name of a repository`));
  }
  if (name.length >= maxRepositoryNameLength) return; // links may lead in circles
  for (const child of names.filter((each) => !each.startsWith("_")).toSorted()) {
    yield* repositoriesBelow(join(folder, child), nameOf(child), onFault);
  }
}

/** Whether a link leads to a folder, and not to one that it is in itself. @throws what the file system says */
async function leadsToFolder(link: string): Promise<boolean> {
  const [from, to] = [await realpath(dirname(link)), await realpath(link)];
  return (await stat(to)).isDirectory() && !join(from, sep).startsWith(join(to, sep));
}

/** A revision that was deleted leaves its folder, without the link. */
async function revisionsIn(
  paths: RegistryPaths,
  repository: RepositoryName,
  onFault: (error: unknown) => void,
): Promise<readonly Digest[]> {
  const folder = paths.revisions(repository);
  const list = (...names: readonly string[]) =>
    namesIn(join(folder, ...names)).catch(toldOf<string>(onFault));
  const found: Digest[] = [];
  for (const algorithm of (await list()).filter(isDigestAlgorithm)) {
    for (const encoded of await list(algorithm)) {
      const digest = `${algorithm}:${encoded}`;
      if (isDigest(digest) && (await list(algorithm, encoded)).includes("link")) found.push(digest);
    }
  }
  return found.toSorted();
}

/** Takes a folder that cannot be listed for an empty one, and tells why it cannot. */
function toldOf<T>(onFault: (error: unknown) => void): (error: unknown) => T[] {
  return (error) => {
    onFault(error);
    return [];
  };
}

function refuse(error: unknown): never {
  throw error;
}
