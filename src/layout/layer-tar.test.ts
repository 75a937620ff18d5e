import { describe, expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { makeTemporaryFolder, succeed } from "../../tests/fixtures/processes.ts";
import { errorOf } from "../registry/contract/fixtures.ts";
import { type LayerEntry, layerTar } from "./layer-tar.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const tarOf = (entries: readonly LayerEntry[]) => Buffer.concat([...layerTar(entries)]);

describe("layerTar", () => {
  test("layerTar writes what GNU tar lists, with the folders that were left out", async () => {
    const folder = await makeTemporaryFolder();
    try {
      const long = `d/${"long".repeat(40)}`;
      const layer = tarOf([
        { path: "data", type: "folder", owner: 10001, mode: 0o750 },
        { path: "usr/bin/berth", type: "file", content: bytes("program"), mode: 0o755 },
        { path: "lib", type: "symlink", linkName: "usr/lib" },
        { path: "l", type: "symlink", linkName: long },
      ]);
      await writeFile(join(folder, "layer.tar"), layer);
      const listed = await succeed("tar", ["--numeric-owner", "--utc", "-tvf", join(folder, "layer.tar")]);
      expect(listed.split("\n").map((line) => line.replace(/ +/g, " "))).toEqual([
        "drwxr-x--- 10001/10001 0 1970-01-01 00:00 data/",
        `lrwxrwxrwx 0/0 0 1970-01-01 00:00 l -> ${long}`,
        "lrwxrwxrwx 0/0 0 1970-01-01 00:00 lib -> usr/lib",
        "drwxr-xr-x 0/0 0 1970-01-01 00:00 usr/",
        "drwxr-xr-x 0/0 0 1970-01-01 00:00 usr/bin/",
        "-rwxr-xr-x 0/0 7 1970-01-01 00:00 usr/bin/berth",
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("layerTar gives the same bytes whatever the order of its entries", () => {
    const entries: readonly LayerEntry[] = ["a/b", "a-b", "a", "ä/ö", "a/b.c"].map((path) =>
      path === "a" ? { path, type: "folder" } : { path, type: "file", content: bytes(path) },
    );
    const shuffled = fc.shuffledSubarray([...entries], { minLength: entries.length });
    fc.assert(fc.property(shuffled, (order) => expect(tarOf(order)).toEqual(tarOf(entries))));
  });

  test.each(["", "/etc", "a//b", "a/../b", "."])("layerTar refuses the path %j", async (path) => {
    const written = Promise.try(() => tarOf([{ path, type: "folder" }]));
    expect((await errorOf(written, "MANIFEST_INVALID")).message).toContain(JSON.stringify(path));
  });

  test("layerTar refuses two entries of one path", async () => {
    const twice = [1, 2].map((): LayerEntry => ({ path: "a/b", type: "folder" }));
    const error = await errorOf(
      Promise.try(() => tarOf(twice)),
      "MANIFEST_INVALID",
    );
    expect(error.message).toContain("twice");
  });
});
