/** What a program or a library for Linux says of itself. */
export interface ElfFile {
  /** As images name it. */
  readonly architecture: string;
  /** The names of the libraries that it is linked with. */
  readonly needed: readonly string[];
  /** The program that loads it: `/lib64/ld-linux-x86-64.so.2`. Libraries have none. */
  readonly interpreter?: string;
}

// https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
const machines: Readonly<Record<number, string>> = { 62: "amd64", 183: "arm64" };
const segments = { load: 1, dynamic: 2, interpreter: 3 } as const;
const tags = { end: 0, needed: 1, strings: 5 } as const;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** Reads the head of an ELF file of 64 bits, least significant byte first. @throws when it is none */
export function readElf(bytes: Uint8Array): ElfFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 64 || view.getUint32(0) !== 0x7f454c46) throw new Error("it is no ELF file");
  if (bytes[4] !== 2 || bytes[5] !== 1) throw new Error("it is no ELF file of 64 bits, little endian");
  const machine = view.getUint16(18, true);
  const architecture = machines[machine];
  if (!architecture) throw new Error(`it is for a machine of number ${machine}, which is not known here`);
  const found = readSegments(view);
  const interpreter = found.find(({ type }) => type === segments.interpreter);
  return {
    architecture,
    needed: readNeeded(bytes, view, found),
    ...(interpreter && { interpreter: stringAt(bytes, interpreter.offset) }),
  };
}

function readSegments(view: DataView): readonly Segment[] {
  const start = Number(view.getBigUint64(32, true));
  const [size, count] = [view.getUint16(54, true), view.getUint16(56, true)];
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size;
    return {
      type: view.getUint32(at, true),
      offset: Number(view.getBigUint64(at + 8, true)),
      address: Number(view.getBigUint64(at + 16, true)),
      size: Number(view.getBigUint64(at + 32, true)),
    };
  });
}

function readNeeded(bytes: Uint8Array, view: DataView, found: readonly Segment[]): readonly string[] {
  const dynamic = found.find(({ type }) => type === segments.dynamic);
  if (!dynamic) return [];
  const names: number[] = [];
  let strings = 0;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    const tag = Number(view.getBigUint64(at, true));
    const value = Number(view.getBigUint64(at + 8, true));
    if (tag === tags.end) break;
    if (tag === tags.needed) names.push(value);
    if (tag === tags.strings) strings = offsetOf(found, value);
  }
  return names.map((name) => stringAt(bytes, strings + name));
}

/** Where in the file that is which the program sees at an address. */
function offsetOf(found: readonly Segment[], address: number): number {
  const segment = found.find(
    (one) => one.type === segments.load && one.address <= address && address < one.address + one.size,
  );
  if (!segment) throw new Error("it is a damaged ELF file: its names are nowhere");
  return address - segment.address + segment.offset;
}

function stringAt(bytes: Uint8Array, start: number): string {
  return new TextDecoder().decode(bytes.subarray(start, bytes.indexOf(0, start)));
}
