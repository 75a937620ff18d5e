import { open } from "node:fs/promises";
import { blobDescriptor } from "../../oci/descriptors.ts";
import { algorithmOf, type Digest, encodedOf } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import { maxManifestSize } from "../../oci/manifests.ts";
import type { RegistryName } from "../../oci/references.ts";
import { checkRange } from "../../registry/blobs.ts";
import type { Registry } from "../../registry/registry.ts";
import { createBlobFinder, createBlobReader } from "../blobs.ts";
import type { LayoutContents, LayoutFiles } from "../contents.ts";
import { documentOfDescriptors, type Entry, type IndexDocument, parseDocument } from "../document.ts";
import { createHoldingsReader } from "../holdings.ts";
import { noLinks } from "../links.ts";
import { createManifestReader } from "../manifests.ts";
import { refuseWrites } from "../read-only.ts";
import { createReferrerLister } from "../referrers.ts";
import { createRepositoryLister } from "../repositories.ts";
import { createTagLister } from "../tags.ts";
import { type Located, openTarFile, type TarFile } from "../tar/tar-file.ts";
import { checkLayoutVersion } from "../version.ts";
import { compressionOf, magicSize } from "./compression.ts";
import { type DockerContents, openPart, readDockerForm } from "./docker-form.ts";
import { inArchive } from "./files.ts";

/** A tar archive of images that is read where it is. */
export interface LayoutArchive {
  readonly path: string;
  /** The repositories of one registry in it, as a registry that cannot be written to: UNSUPPORTED. */
  at(registry: RegistryName): Registry;
  /** All images in it, one for each name. */
  entries(): readonly Entry[];
  /** A small file of it beside what images are made of; `undefined` when it is not there. */
  readFile(name: string): Promise<Uint8Array | undefined>;
}

/**
 * Opens a tar archive: an OCI image layout, or what `docker save` writes, or both in one. Only its headers are read
 * now; blobs are read where they stand, when they are asked for.
 * @param name what it is called in messages
 * @throws RegistryError MANIFEST_INVALID when it is damaged, cut off, or something else; UNSUPPORTED when it is
 *   compressed (see `unpackArchive`); what the file system says
 */
export async function openArchive(path: string, name: string = path): Promise<LayoutArchive> {
  try {
    await refuseOthers(path);
    const tar = await openTarFile(path);
    const { index, files } = await contentsOf(tar, name);
    return {
      ...createArchive(path, index, files),
      async readFile(wanted) {
        const located = tar.find(wanted);
        return located && tar.read(located);
      },
    };
  } catch (error) {
    throw inArchive(error, name);
  }
}

async function refuseOthers(path: string): Promise<void> {
  const file = await open(path);
  try {
    if ((await file.stat()).isDirectory()) {
      throw new RegistryError("MANIFEST_INVALID", "it is a folder, not an archive");
    }
    const { buffer, bytesRead } = await file.read(new Uint8Array(magicSize), 0, magicSize, 0);
    const compression = compressionOf(buffer.subarray(0, bytesRead));
    if (compression === "none") return;
    throw new RegistryError(
      "UNSUPPORTED",
      `it is compressed with ${compression} and cannot be read in place: load it, or unpack it first`,
    );
  } finally {
    await file.close();
  }
}

interface Found {
  readonly index: IndexDocument;
  readonly files: LayoutFiles;
}

async function contentsOf(tar: TarFile, name: string): Promise<Found> {
  const [version, index, manifest] = ["oci-layout", "index.json", "manifest.json"].map(tar.find);
  if (index && version) {
    checkLayoutVersion(await tar.read(version), "its oci-layout");
    const document = parseDocument(await tar.read(index), "its index.json");
    return { index: document, files: createOciFiles(tar, name) };
  }
  if (manifest) {
    const contents = await readDockerForm(tar, manifest);
    return {
      index: documentOfDescriptors(contents.manifests),
      files: createDockerFiles(tar, name, contents),
    };
  }
  throw new RegistryError(
    "MANIFEST_INVALID",
    "it is no archive of images: it has neither index.json with oci-layout nor manifest.json",
  );
}

function createOciFiles(tar: TarFile, name: string): LayoutFiles {
  return filesOf(
    tar,
    name,
    (digest) => tar.find(`blobs/${algorithmOf(digest)}/${encodedOf(digest)}`),
    new Map(),
  );
}

function createDockerFiles(tar: TarFile, name: string, { blobs, made }: DockerContents): LayoutFiles {
  return filesOf(tar, name, (digest) => blobs.get(digest), made);
}

function filesOf(
  tar: TarFile,
  name: string,
  locate: (digest: Digest) => Located | undefined,
  made: ReadonlyMap<Digest, Uint8Array>,
): LayoutFiles {
  return {
    name: `archive ${name}`,
    async findBlob(digest) {
      const located = locate(digest);
      if (!located) return undefined;
      const { size } = located;
      return {
        size,
        source: {
          kind: "stream",
          async open(range, { signal } = {}) {
            signal?.throwIfAborted();
            if (range) checkRange(blobDescriptor(digest, size), range);
            return openPart(tar, located, range);
          },
        },
      };
    },
    async readManifest(digest) {
      const bytes = made.get(digest);
      if (bytes) return bytes;
      const located = locate(digest);
      return located && located.size <= maxManifestSize ? tar.read(located) : undefined;
    },
  };
}

function createArchive(
  path: string,
  index: IndexDocument,
  files: LayoutFiles,
): Omit<LayoutArchive, "readFile"> {
  const state = { index, links: noLinks };
  const contents: LayoutContents = { files, current: async () => state };
  const holdings = createHoldingsReader(files);
  const finder = createBlobFinder(contents, holdings);
  return {
    path,
    entries: () => index.entries,
    at: (registry) => ({
      ...createBlobReader(registry, contents, finder),
      ...createManifestReader(registry, contents, holdings),
      ...createTagLister(registry, contents),
      ...createReferrerLister(registry, contents, holdings),
      ...createRepositoryLister(registry, contents),
      ...refuseWrites(`archive ${path} cannot be changed: load it, or write another one`),
    }),
  };
}
