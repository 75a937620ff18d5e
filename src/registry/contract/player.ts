import { isRegistryError } from "../../oci/errors.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import type { PageOptions, Registry } from "../registry.ts";
import { streamOf } from "../streams.ts";
import { allPages, bytesFor, describeBytes, readBlob } from "./fixtures.ts";
import {
  artifactTypes,
  blobAt,
  blobs,
  manifestAt,
  manifests,
  type Operation,
  repositories,
  tagNames,
} from "./operations.ts";
import { createUploadPlayer, type UploadOperation } from "./upload-player.ts";

/** Does operations and tells what came of them in a form that is the same for all implementations. */
export interface Player {
  play(operation: Operation): Promise<unknown>;
  /** Ends the sessions that are open. */
  end(): Promise<void>;
}

type Of<Kind extends Operation["kind"]> = Extract<Operation, { kind: Kind }>;

/** Begins without sessions. */
export function createPlayer(registry: Registry): Player {
  const uploads = createUploadPlayer(registry);
  const perform = (operation: Operation): Promise<unknown> => {
    if (operation.kind === "listRepositories") {
      return listed(operation.limit, (page) => registry.listRepositories(page));
    }
    const repository = repositoryAt(operation.repository);
    return isUpload(operation)
      ? uploads.play(repository, operation)
      : playOne(registry, repository, operation);
  };
  return {
    async play(operation) {
      try {
        return { value: await perform(operation) };
      } catch (error) {
        if (isRegistryError(error)) return { code: error.code, detail: detailOf(error) };
        throw error;
      }
    },
    end: uploads.end,
  };
}

function isUpload(operation: Operation): operation is UploadOperation {
  return operation.kind.endsWith("Upload");
}

/** Only this code's detail is part of the contract. */
function detailOf(error: { readonly code: string; readonly detail: unknown }): unknown {
  return error.code === "MANIFEST_BLOB_UNKNOWN" ? error.detail : undefined;
}

type Other = Exclude<Operation, UploadOperation | { kind: "listRepositories" }>;

async function playOne(registry: Registry, repository: RepositoryName, operation: Other): Promise<unknown> {
  switch (operation.kind) {
    case "putBlob":
      return putBlob(registry, repository, operation);
    case "mountBlob":
      return mountBlob(registry, repository, operation);
    case "deleteBlob":
      return registry.deleteBlob(repository, blobAt(operation.blob).descriptor.digest);
    case "readBlob":
      return describeBytes(await readBlob(registry, repository, blobAt(operation.blob).descriptor));
    case "putManifest": {
      const named = operation.tags.map(tagAt);
      const result = await registry.putManifest(repository, {
        ...manifestAt(operation.manifest),
        tags: named,
      });
      const { descriptor, subject, tags } = result;
      return { descriptor, subject, tags: named.every((tag) => tags.includes(tag)) };
    }
    case "deleteManifest":
      return registry.deleteManifest(repository, manifestAt(operation.manifest).digest);
    case "getManifest":
      return (await registry.getManifest(repository, manifestAt(operation.manifest).digest)).descriptor;
    case "listReferrers":
      return listReferrers(registry, repository, operation.manifest, operation.limit);
    case "getTag":
      return (await registry.getTag(repository, tagAt(operation.tag))).descriptor;
    case "deleteTag":
      return registry.deleteTag(repository, tagAt(operation.tag));
    case "listTags":
      return listed(operation.limit, (page) => registry.listTags(repository, page));
  }
}

function repositoryAt(position: number): RepositoryName {
  const name = repositories[position];
  if (!name) throw new RangeError(`there is no repository ${position}`);
  return name;
}

function tagAt(position: number): Tag {
  const tag = tagNames[position];
  if (!tag) throw new RangeError(`there is no tag ${position}`);
  return tag;
}

function putBlob(
  registry: Registry,
  repository: RepositoryName,
  { blob, lie }: Of<"putBlob">,
): Promise<unknown> {
  const { bytes, descriptor } = blobAt(blob);
  const size = bytes.byteLength + (lie === "longer" ? 1 : lie === "shorter" ? -1 : 0);
  const body = lie === "digest" ? bytesFor(99, bytes.byteLength) : bytes;
  const { digest } = lie === "digest" ? describeBytes(bytesFor(98)) : descriptor;
  return registry.putBlob(repository, { digest, size: Math.max(0, size) }, streamOf(body));
}

async function mountBlob(
  registry: Registry,
  repository: RepositoryName,
  { blob, from, hidden, unlessDeleted }: Of<"mountBlob">,
): Promise<unknown> {
  const mounted = await registry.mountBlob(repository, blobAt(blob).descriptor.digest, {
    unlessDeleted,
    mayRead: (name) => name !== repositories[hidden],
    ...(from === undefined ? {} : { from: repositoryAt(from) }),
  });
  return mounted ?? "not found";
}

async function listed<T>(
  limit: number,
  list: (page: PageOptions) => Promise<{ readonly items: readonly T[]; readonly next?: string }>,
): Promise<unknown> {
  return limit === 0 ? list({ limit }) : allPages(list, limit);
}

async function listReferrers(
  registry: Registry,
  repository: RepositoryName,
  manifest: number,
  limit: number,
): Promise<unknown> {
  const { digest } = manifestAt(manifest);
  const artifactType = artifactTypes[manifest % 3]; // none at every third
  const filter = artifactType === undefined ? {} : { artifactType };
  return listed(limit, (page) => registry.listReferrers(repository, digest, { ...page, ...filter }));
}

/** Fills the small world, so that more operations find something. */
export async function prepare({ play }: Player): Promise<void> {
  for (const blob of blobs.keys()) await play({ kind: "putBlob", repository: 0, blob, lie: "none" });
  for (const manifest of [0, 1])
    await play({ kind: "putManifest", repository: 0, manifest, tags: [manifest] });
  await play({ kind: "putBlob", repository: 1, blob: 0, lie: "none" });
  await play({ kind: "startUpload", repository: 0 });
}

/** All that a registry holds of the small world. */
export async function overview(registry: Registry): Promise<unknown> {
  const held = await Promise.all(
    repositories.map(async (_, repository) => {
      const play = async (operation: Operation) => createPlayer(registry).play(operation);
      const seen: unknown[] = [await play({ kind: "listTags", repository, limit: 100 })];
      for (const blob of blobs.keys()) seen.push(await play({ kind: "readBlob", repository, blob }));
      for (const tag of tagNames.keys()) seen.push(await play({ kind: "getTag", repository, tag }));
      for (const manifest of manifests.keys()) {
        seen.push(await play({ kind: "getManifest", repository, manifest, limit: 0 }));
        seen.push(await play({ kind: "listReferrers", repository, manifest, limit: 100 }));
      }
      return seen;
    }),
  );
  return [held, await registry.listRepositories()];
}
