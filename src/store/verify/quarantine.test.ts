import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createQuarantine } from "./quarantine.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "berth-quarantine-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("createQuarantine", () => {
  test("take moves the file that was looked at, and no other that has taken its place", async () => {
    const quarantine = createQuarantine(folder);
    const path = join(folder, "blob");
    await writeFile(path, "damaged");
    const { ino } = await stat(path);
    await writeFile(`${path}.new`, "whole");
    await rename(`${path}.new`, path);
    expect(await quarantine.take(path, ino)).toBeUndefined();
    expect(await readFile(path, "utf8")).toBe("whole");
    const to = (await quarantine.take(path, (await stat(path)).ino)) ?? "";
    expect(to).toStartWith("quarantine/blob.");
    expect(await readFile(join(folder, to), "utf8")).toBe("whole");
    expect(await quarantine.take(path, ino)).toBeUndefined(); // it is gone
  });

  test("keep writes bytes that had no file", async () => {
    const to = await createQuarantine(folder).keep("small", new Uint8Array([1, 2]));
    expect(new Uint8Array(await readFile(join(folder, to)))).toEqual(new Uint8Array([1, 2]));
    expect(await readdir(join(folder, "quarantine"))).toHaveLength(2);
  });
});
