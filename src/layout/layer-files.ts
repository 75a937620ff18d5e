import { createHash } from "node:crypto";
import type { Descriptor } from "../oci/descriptors.ts";
import { isRegistryError, RegistryError } from "../oci/errors.ts";
import type { Place } from "../registry/copy/place.ts";
import type { OperationOptions } from "../registry/registry.ts";
import { unpacked } from "./archive/compression.ts";
import { verifiedPieces } from "./archive/write.ts";
import { type EntryType, normalName, type TarEntry } from "./tar/entries.ts";
import { entriesOf } from "./tar/tar-stream.ts";

/** A file of an image, or something else that has a path. */
export interface ImageFile {
  readonly type: EntryType;
  /** Bytes of its content. */
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** What a symbolic link points at. */
  readonly target: string;
  /** Tells one content from another; empty for what has none. */
  readonly content: string;
}

/** By path, without a slash before it. */
export type ImageFiles = ReadonlyMap<string, ImageFile>;

/**
 * Reads a layer and gives what is there when it is laid over `below`, which is left as it is. Whiteouts take away what
 * is below. https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts
 * @throws RegistryError MANIFEST_INVALID when it is no layer; DIGEST_INVALID; SIZE_INVALID; UNSUPPORTED when this
 *   runtime cannot unpack it; what reading the blob throws
 */
export async function withLayer(
  below: ImageFiles,
  place: Place,
  descriptor: Descriptor,
  { signal }: OperationOptions = {},
): Promise<ImageFiles> {
  const files = new Map(below);
  const own = new Map<string, ImageFile>();
  try {
    for await (const { entry, content } of entriesOf(
      unpacked(verifiedPieces({ descriptor, place }, { signal })),
    )) {
      const path = normalName(entry.name);
      const slash = path.lastIndexOf("/") + 1;
      const [folder, name] = [path.slice(0, slash), path.slice(slash)];
      if (name === ".wh..wh..opq") removeBelow(files, folder);
      else if (name.startsWith(".wh.")) remove(files, folder + name.slice(4));
      else if (path !== "") {
        const linked = entry.type === "link" ? linkedFile(own, files, entry.linkName) : undefined;
        const hash = entry.type === "file" ? await hashOf(content()) : "";
        own.set(path, linked ?? fileOf(entry, hash));
      }
    }
  } catch (error) {
    if (!isRegistryError(error)) throw error;
    throw new RegistryError(error.code, `cannot read layer ${descriptor.digest}: ${error.message}`, {
      cause: error,
    });
  }
  for (const [path, file] of own) {
    const before = files.get(path);
    if (before?.type === "folder" && file.type !== "folder") removeBelow(files, `${path}/`);
    files.set(path, file);
  }
  return files;
}

/** Without the entry's names: an image may have very many files. */
function fileOf({ type, size, mode, uid, gid, linkName }: TarEntry, content: string): ImageFile {
  return { type, size, mode, uid, gid, target: type === "symlink" ? linkName : "", content };
}

function linkedFile(own: ImageFiles, below: ImageFiles, target: string): ImageFile | undefined {
  const path = normalName(target);
  return own.get(path) ?? below.get(path);
}

async function hashOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of content) hash.update(piece);
  return hash.digest("latin1").slice(0, 16); // half of it tells contents apart as well
}

function remove(files: Map<string, ImageFile>, path: string): void {
  const isFolder = files.get(path)?.type === "folder";
  files.delete(path);
  if (isFolder) removeBelow(files, `${path}/`);
}

/** @param folder with a slash behind it; empty for the root */
function removeBelow(files: Map<string, ImageFile>, folder: string): void {
  for (const path of files.keys()) if (path.startsWith(folder)) files.delete(path);
}
