import { RegistryError } from "../../oci/errors.ts";

/** The size of a header, and what everything in a tar is padded to. */
export const blockSize = 512;

/** What a header says, before extended headers are taken into account. */
export interface RawHeader {
  readonly name: string;
  readonly size: number;
  /** The type flag: `0` a file, `1` a hard link, `2` a symbolic link, `5` a folder, `x g L K` more about what follows. */
  readonly type: string;
  readonly linkName: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

const text = new TextDecoder();
const encoder = new TextEncoder();

/**
 * Reads one header. https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06
 * @returns `undefined` for a block of zeros, which marks the end
 * @throws RegistryError MANIFEST_INVALID when this is no header
 */
export function parseHeader(block: Uint8Array): RawHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  const expected = numberAt(block, 148, 8);
  if (expected !== sumOf(block, true) && expected !== sumOf(block, false)) {
    throw new RegistryError(
      "MANIFEST_INVALID",
      "it is no tar archive, or damaged: a header's checksum is wrong",
    );
  }
  const isUstar = textAt(block, 257, 5) === "ustar";
  const isPosix = isUstar && block[262] === 0; // GNU's own format has other things where the prefix is
  const prefix = isPosix ? textAt(block, 345, 155) : "";
  const name = textAt(block, 0, 100);
  return {
    name: prefix ? `${prefix}/${name}` : name,
    mode: numberAt(block, 100, 8),
    uid: numberAt(block, 108, 8),
    gid: numberAt(block, 116, 8),
    size: numberAt(block, 124, 12),
    mtime: numberAt(block, 136, 12),
    type: textAt(block, 156, 1) || "0",
    linkName: textAt(block, 157, 100),
  };
}

function textAt(block: Uint8Array, start: number, length: number): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return text.decode(end < 0 ? field : field.subarray(0, end));
}

/** A number in octal digits, or, as GNU writes large ones, in base 256 behind a set bit. */
function numberAt(block: Uint8Array, start: number, length: number): number {
  const first = block[start] ?? 0;
  if (first === 0x80) {
    let value = 0;
    for (let at = start + 1; at < start + length; at++) value = value * 256 + (block[at] ?? 0);
    return value;
  }
  if (first & 0x80) return 0; // negative: before 1970
  const digits = textAt(block, start, length).trim();
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

/** Some old programs summed signed bytes. */
function sumOf(block: Uint8Array, unsigned: boolean): number {
  let sum = 0;
  for (let at = 0; at < blockSize; at++) {
    const byte = at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
    sum += unsigned || byte < 128 ? byte : byte - 256;
  }
  return sum;
}

/** An entry to write. */
export interface NewEntry {
  readonly name: string;
  /** Bytes that follow; 0 for folders and links. */
  readonly size: number;
  readonly type: "file" | "folder" | "symlink";
  /** What a symbolic link points at. */
  readonly linkName?: string;
  /** What its owner, its group and others may do; if absent, 0755 for folders, 0777 for links, 0644 for files. */
  readonly mode?: number;
  /** Whose it is, as user and group at once; root's if absent. Up to 2,097,151. */
  readonly owner?: number;
}

const maxOctalSize = 8 ** 11 - 1;
const kinds = {
  file: { flag: "0", mode: 0o644 },
  symlink: { flag: "2", mode: 0o777 },
  folder: { flag: "5", mode: 0o755 },
} as const;

/** A header for an entry, with an extended one before it when its names or size need that. No times. */
export function formatHeader(entry: NewEntry): Uint8Array {
  const { name, size, type, linkName = "", mode = kinds[type].mode, owner = 0 } = entry;
  const records: string[] = [];
  if (encoder.encode(name).byteLength > 100) records.push(paxRecord("path", name));
  if (encoder.encode(linkName).byteLength > 100) records.push(paxRecord("linkpath", linkName));
  if (size > maxOctalSize) records.push(paxRecord("size", String(size)));
  const header = formatBlock({ name, size, flag: kinds[type].flag, linkName, mode, owner });
  if (records.length === 0) return header;
  const body = encoder.encode(records.join(""));
  const blocks = new Uint8Array(blockSize + padded(body.byteLength) + blockSize);
  blocks.set(formatBlock({ name: "././@PaxHeader", size: body.byteLength, flag: "x", mode: 0o644 }));
  blocks.set(body, blockSize);
  blocks.set(header, blocks.byteLength - blockSize);
  return blocks;
}

interface Block {
  readonly name: string;
  readonly size: number;
  readonly flag: string;
  readonly mode: number;
  readonly linkName?: string;
  readonly owner?: number;
}

function formatBlock({ name, size, flag, mode, linkName = "", owner = 0 }: Block): Uint8Array {
  const block = new Uint8Array(blockSize);
  const put = (value: string, start: number, length: number): void =>
    block.set(encoder.encode(value).subarray(0, length), start);
  put(name, 0, 100);
  put(octal(mode, 7), 100, 8);
  put(octal(owner, 7), 108, 8);
  put(octal(owner, 7), 116, 8);
  put(octal(Math.min(size, maxOctalSize), 11), 124, 12);
  put(octal(0, 11), 136, 12);
  put(flag, 156, 1);
  put(linkName, 157, 100);
  put("ustar\u000000", 257, 8);
  put(octal(sumOf(block, true), 6), 148, 7);
  block[155] = 0x20;
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = encoder.encode(` ${key}=${value}\n`).byteLength;
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** The records of an extended header. */
export function parsePax(body: Uint8Array): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < body.byteLength; ) {
    const space = body.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(text.decode(body.subarray(at, space)));
    const record = text.decode(body.subarray(space + 1, at + length - 1));
    const equals = record.indexOf("=");
    if (!Number.isSafeInteger(length) || at + length > body.byteLength || length < 5 || equals < 1) {
      throw new RegistryError("MANIFEST_INVALID", "it is damaged: an extended header is not one");
    }
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

/** A size with what fills the last block. */
export function padded(size: number): number {
  return Math.ceil(size / blockSize) * blockSize;
}
