import { describe, expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { makeTemporaryFolder, succeed } from "../../../tests/fixtures/processes.ts";
import { bytesFor, errorOf, textOf } from "../../registry/contract/fixtures.ts";
import { endMark, padding, smallFile } from "../archive/write.ts";
import { createEntryAssembler } from "./entries.ts";
import { blockSize, formatHeader, parseHeader } from "./headers.ts";
import { openTarFile } from "./tar-file.ts";

/** Reads a header with the extended ones before it. */
function readEntry(bytes: Uint8Array) {
  const assembler = createEntryAssembler();
  for (let at = 0; ; ) {
    const header = parseHeader(bytes.subarray(at, at + blockSize));
    if (!header) throw new Error("an entry has a header");
    const taken = assembler.take(header);
    if ("entry" in taken) return taken.entry;
    at += blockSize;
    assembler.takeContent(bytes.subarray(at, at + taken.wants));
    at += Math.ceil(taken.wants / blockSize) * blockSize;
  }
}

const anyName = fc
  .array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join("/").replaceAll("\0", "0"));

describe("formatHeader", () => {
  test("formatHeader is read back by createEntryAssembler whatever the name and size", () => {
    fc.assert(
      fc.property(anyName, fc.maxSafeNat(), (name, size) => {
        const entry = readEntry(formatHeader({ name: `${name}.`, size, type: "file" }));
        expect(entry).toMatchObject({ name: `${name}.`, size, type: "file" });
      }),
    );
  });

  test("parseHeader throws when any byte of a header is another", () => {
    fc.assert(
      fc.property(fc.nat(511), fc.nat(255), (at, value) => {
        fc.pre(at < 148 || at >= 156); // the checksum itself: some of its bytes mean nothing
        const block = formatHeader({ name: "a", size: 5, type: "file" });
        block[at] = value;
        const isSame = value === formatHeader({ name: "a", size: 5, type: "file" })[at];
        if (isSame) expect(parseHeader(block)).toMatchObject({ name: "a", size: 5 });
        else expect(() => parseHeader(block)).toThrow(/checksum is wrong/);
      }),
    );
  });
});

describe("openTarFile", () => {
  const inFolder = async (run: (folder: string) => Promise<void>) => {
    const folder = await makeTemporaryFolder();
    try {
      await run(folder);
    } finally {
      await rm(folder, { recursive: true });
    }
  };

  for (const format of ["gnu", "pax", "ustar", "v7"]) {
    test(`openTarFile finds what GNU tar wrote, links too, when its format is ${format}`, () =>
      inFolder(async (folder) => {
        const long =
          format === "v7" ? "long" : `${"d".repeat(90)}/${"e".repeat(format === "ustar" ? 90 : 150)}`;
        await succeed(
          "sh",
          [
            "-c",
            `mkdir -p in/a "in/$(dirname ${long})" && cd in && printf 12345 > a/b && ln a/b hard && ln -s ../hard a/soft && printf x > ${long} && tar --format ${format} -cf ../x.tar .`,
          ],
          { cwd: folder },
        );
        const tar = await openTarFile(join(folder, "x.tar"));
        for (const name of ["a/b", "./hard", "a/soft"]) {
          const located = tar.find(name);
          if (!located) throw new Error(`${name} is not found`);
          expect(textOf(await tar.read(located))).toBe("12345");
        }
        expect(tar.find(long)).toMatchObject({ size: 1 });
        expect(tar.find("a")).toBeUndefined();
        expect(tar.find("nothing")).toBeUndefined();
      }));
  }

  test("openTarFile says that an archive is cut off wherever it is", () =>
    inFolder(async (folder) => {
      const bytes = Buffer.concat([
        ...smallFile("a", bytesFor(1, 1000)),
        ...smallFile("b".repeat(200), bytesFor(2, 10)),
        endMark,
      ]);
      await fc.assert(
        fc.asyncProperty(fc.nat(bytes.byteLength - 2 * blockSize), async (end) => {
          await writeFile(join(folder, "cut.tar"), bytes.subarray(0, end));
          const error = await errorOf(openTarFile(join(folder, "cut.tar")), "MANIFEST_INVALID");
          expect(error.message).toMatch(/it is cut off/);
        }),
        { numRuns: 60 },
      );
      await writeFile(join(folder, "whole.tar"), bytes);
      expect((await openTarFile(join(folder, "whole.tar"))).find("a")).toMatchObject({ size: 1000 });
    }));

  test("openTarFile does not follow links in a circle", () =>
    inFolder(async (folder) => {
      await succeed("sh", ["-c", "ln -s b a && ln -s a b && tar -cf x.tar a b"], { cwd: folder });
      expect((await openTarFile(join(folder, "x.tar"))).find("a")).toBeUndefined();
    }));

  test("openTarFile names what is no tar", () =>
    inFolder(async (folder) => {
      await writeFile(join(folder, "x"), bytesFor(3, 2000));
      const error = await errorOf(openTarFile(join(folder, "x")), "MANIFEST_INVALID");
      expect(error.message).toContain("no tar archive");
    }));
});

test("padding fills the last block", () => {
  const sizes = [0, 1, 511, 512, 513].map((size) => [...padding(size)].map((piece) => piece.byteLength));
  expect(sizes).toEqual([[], [511], [1], [], [511]]);
});
