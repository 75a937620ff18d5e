import { RegistryError } from "../../oci/errors.ts";
import { parsePax, type RawHeader } from "./headers.ts";

/** What a tar's entry is. */
export type EntryType = "file" | "link" | "symlink" | "folder" | "device" | "fifo" | "other";

/** An entry of a tar. */
export interface TarEntry {
  /** As it stands there. */
  readonly name: string;
  /** Bytes of its content in the tar. */
  readonly size: number;
  readonly type: EntryType;
  /** What a link points at. */
  readonly linkName: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Joins headers with the extended ones before them. */
export interface EntryAssembler {
  /**
   * Takes a header. When it is an extended one, its content is wanted; else the entry is complete.
   * @throws RegistryError MANIFEST_INVALID
   */
  take(header: RawHeader): { readonly wants: number } | { readonly entry: TarEntry };
  /** Takes the content of the extended header that was taken last. */
  takeContent(content: Uint8Array): void;
}

/** The most bytes that an extended header may have: names and attributes. */
const maxExtension = 1024 * 1024;

const types: Readonly<Record<string, EntryType>> = {
  "0": "file",
  "7": "file",
  "1": "link",
  "2": "symlink",
  "3": "device",
  "4": "device",
  "5": "folder",
  "6": "fifo",
};

/** Begins at the beginning of a tar. */
export function createEntryAssembler(): EntryAssembler {
  let global: ReadonlyMap<string, string> = new Map();
  let next = new Map<string, string>();
  let awaited = "";
  return {
    take(header) {
      if (["x", "g", "L", "K"].includes(header.type)) {
        if (header.size > maxExtension) {
          throw new RegistryError(
            "MANIFEST_INVALID",
            `it is damaged: an extended header has ${header.size} bytes`,
          );
        }
        awaited = header.type;
        return { wants: header.size };
      }
      const entry = entryOf(header, new Map([...global, ...next]));
      next = new Map();
      return { entry };
    },
    takeContent(content) {
      if (awaited === "g") global = new Map([...global, ...parsePax(content)]);
      else if (awaited === "x") next = new Map([...next, ...parsePax(content)]);
      else next.set(awaited === "L" ? "path" : "linkpath", cString(content));
    },
  };
}

function entryOf(header: RawHeader, pax: ReadonlyMap<string, string>): TarEntry {
  const name = pax.get("GNU.sparse.name") ?? pax.get("path") ?? header.name;
  if (header.type === "S") {
    throw new RegistryError(
      "MANIFEST_INVALID",
      `its entry ${JSON.stringify(name)} is sparse in GNU tar's old way`,
    );
  }
  const size = numberOf(pax.get("size")) ?? header.size;
  const type = types[header.type] ?? "other";
  const isFolder = type === "folder" || (type === "file" && name.endsWith("/")); // how it was before POSIX
  return {
    name,
    // Links and folders have no content, whatever their size says; what is not known has what it says.
    size: type === "file" || type === "other" ? size : 0,
    type: isFolder ? "folder" : type,
    linkName: pax.get("linkpath") ?? header.linkName,
    mode: header.mode,
    uid: numberOf(pax.get("uid")) ?? header.uid,
    gid: numberOf(pax.get("gid")) ?? header.gid,
  };
}

function numberOf(value: string | undefined): number | undefined {
  const number = value === undefined || value === "" ? Number.NaN : Number(value);
  return Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

function cString(content: Uint8Array): string {
  const end = content.indexOf(0);
  return new TextDecoder().decode(end < 0 ? content : content.subarray(0, end));
}

/** A name without what says the same: `./a//b/` is `a/b`. */
export function normalName(name: string): string {
  return name
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}
