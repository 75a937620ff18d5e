import { quote, RegistryError } from "../oci/errors.ts";
import { endMark, padding } from "./archive/write.ts";
import { formatHeader, type NewEntry } from "./tar/headers.ts";

interface Owned {
  /** From the root of the file system, without a slash before it: `etc/passwd`. */
  readonly path: string;
  /** As in {@link NewEntry}. */
  readonly mode?: number;
  readonly owner?: number;
}

/** A file, folder or symbolic link of a layer to write. */
export type LayerEntry = Owned &
  (
    | { readonly type: "file"; readonly content: Uint8Array }
    | { readonly type: "folder" }
    | { readonly type: "symlink"; readonly linkName: string }
  );

/**
 * The bytes of a layer, not compressed. The same entries give the same bytes, in whatever order they come: they are
 * sorted, folders that they stand in are added, and there are no times.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md
 * @throws RegistryError MANIFEST_INVALID when a path is none, or comes twice
 */
export function* layerTar(entries: Iterable<LayerEntry>): Generator<Uint8Array> {
  for (const entry of withFolders(entries)) {
    yield formatHeader(headerOf(entry));
    if (entry.type !== "file") continue;
    if (entry.content.byteLength > 0) yield entry.content;
    yield* padding(entry.content.byteLength);
  }
  yield endMark;
}

function headerOf({ path, ...entry }: LayerEntry): NewEntry {
  if (entry.type === "folder") return { ...entry, name: `${path}/`, size: 0 };
  if (entry.type === "symlink") return { ...entry, name: path, size: 0 };
  const { content, ...rest } = entry;
  return { ...rest, name: path, size: content.byteLength };
}

function withFolders(entries: Iterable<LayerEntry>): readonly LayerEntry[] {
  const byPath = new Map<string, LayerEntry>();
  for (const entry of entries) {
    const parts = entry.path.split("/");
    if (parts.some((part) => part === "" || part === "." || part === ".."))
      throw new RegistryError("MANIFEST_INVALID", `${quote(entry.path)} is no path in a layer`);
    if (byPath.has(entry.path))
      throw new RegistryError("MANIFEST_INVALID", `${quote(entry.path)} comes twice in a layer`);
    byPath.set(entry.path, entry);
  }
  for (const { path } of [...byPath.values()]) {
    for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
      const folder = path.slice(0, slash);
      if (!byPath.has(folder)) byPath.set(folder, { path: folder, type: "folder" });
    }
  }
  // By code units, not by the rules of a language: a folder comes before what is in it.
  return [...byPath.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
}
