import { type FileHandle, open } from "node:fs/promises";
import { quote, RegistryError } from "../../oci/errors.ts";
import { createEntryAssembler, normalName } from "./entries.ts";
import { blockSize, padded, parseHeader } from "./headers.ts";

/** Where an entry's content is in the file. */
export interface Located {
  readonly offset: number;
  readonly size: number;
}

/** The files in a tar archive, found by name without reading the content of any. */
export interface TarFile {
  readonly path: string;
  /** Links are followed. @returns `undefined` when there is no such file */
  find(name: string): Located | undefined;
  /** Reads a part of the archive whole; only for what is small. */
  read(located: Located): Promise<Uint8Array>;
}

/** Links that point at links, at most. */
const maxLinks = 8;
/** What an image's archive has fewer of. */
const maxEntries = 1_000_000;

type Indexed = Located | { readonly target: string };

/**
 * Reads the headers of an archive on disk: one read for each entry.
 * @throws RegistryError MANIFEST_INVALID when it is no tar, damaged, or cut off; what the file system says
 */
export async function openTarFile(path: string): Promise<TarFile> {
  const file = await open(path);
  try {
    const entries = await indexOf(file, (await file.stat()).size);
    return {
      path,
      find: (name) => follow(entries, normalName(name)),
      read: (located) => readPart(path, located),
    };
  } finally {
    await file.close();
  }
}

async function indexOf(file: FileHandle, end: number): Promise<ReadonlyMap<string, Indexed>> {
  const entries = new Map<string, Indexed>();
  const assembler = createEntryAssembler();
  let last = "its beginning";
  const take = async (position: number, size: number): Promise<Uint8Array> => {
    if (position + size > end) throw cutOff(end, last);
    return readFully(file, position, size);
  };
  for (let position = 0, count = 0; ; count++) {
    const header = parseHeader(await take(position, blockSize));
    if (!header) return entries;
    if (count > maxEntries)
      throw new RegistryError("MANIFEST_INVALID", `it has more than ${maxEntries} entries`);
    position += blockSize;
    const taken = assembler.take(header);
    if ("wants" in taken) {
      assembler.takeContent(await take(position, taken.wants));
      position += padded(taken.wants);
      continue;
    }
    const { name, size, type, linkName } = taken.entry;
    last = quote(name);
    if (position + size > end) throw cutOff(end, last);
    const key = normalName(name);
    if (type === "file") entries.set(key, { offset: position, size });
    else if (type === "link") entries.set(key, { target: normalName(linkName) });
    else if (type === "symlink") entries.set(key, { target: resolveLink(key, linkName) });
    position += padded(size);
  }
}

function cutOff(end: number, last: string): RegistryError {
  if (end === 0) return new RegistryError("MANIFEST_INVALID", "it is cut off: it is empty");
  return new RegistryError(
    "MANIFEST_INVALID",
    `it is cut off: it ends at byte ${end}, within or behind ${last}`,
  );
}

/** What a symbolic link at `name` points at, as a name in the archive. */
function resolveLink(name: string, target: string): string {
  const parts = target.startsWith("/") ? [] : name.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function follow(entries: ReadonlyMap<string, Indexed>, name: string): Located | undefined {
  let found = entries.get(name);
  for (let left = maxLinks; found && "target" in found; left--) {
    found = left === 0 ? undefined : entries.get(found.target);
  }
  return found;
}

async function readPart(path: string, { offset, size }: Located): Promise<Uint8Array> {
  const file = await open(path);
  try {
    return await readFully(file, offset, size);
  } finally {
    await file.close();
  }
}

async function readFully(file: FileHandle, position: number, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(bytes, at, size - at, position + at);
    if (bytesRead === 0) {
      throw new RegistryError("MANIFEST_INVALID", `it is cut off: it ends at byte ${position + at}`);
    }
    at += bytesRead;
  }
  return bytes;
}
