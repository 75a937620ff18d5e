import { describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDigest } from "../oci/digests.ts";
import { createOwnClaims, createSharedClaims } from "./upload-claims.ts";

const note = { digest: parseDigest(`sha256:${"a".repeat(64)}`), offset: 3 };

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "berth-claims-"));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function taken<T>(claim: Promise<T | "unknown" | "taken">): Promise<T> {
  const found = await claim;
  if (found === "unknown" || found === "taken") throw new Error(`the session is ${String(found)}`);
  return found as T; // safe: the other kinds were just ruled out
}

describe("createOwnClaims", () => {
  test("begin makes no file, and take makes it", () =>
    withFolder(async (folder) => {
      const claims = createOwnClaims();
      const path = join(folder, "a");
      await claims.begin(path);
      expect(await readdir(folder)).toEqual([]);
      expect(await claims.size(path)).toBe(0);
      const { handle } = await taken(claims.take(path));
      await handle.write("abc");
      expect(await claims.take(path)).toBe("taken");
      expect(await claims.size(path)).toBe(3);
      await handle.close();
      await claims.giveBack(path);
      await (await taken(claims.take(path))).handle.close();
    }));

  test("take can be tried again when the file could not be made", () =>
    withFolder(async (folder) => {
      const claims = createOwnClaims();
      const path = join(folder, "missing", "a"); // stands for a disk without room
      await claims.begin(path);
      await claims.take(path).catch(() => {});
      await mkdir(join(folder, "missing"));
      await (await taken(claims.take(path))).handle.close();
    }));

  test("take finds nothing where nothing was begun", () =>
    withFolder(async (folder) => {
      const claims = createOwnClaims();
      expect(await claims.take(join(folder, "a"))).toBe("unknown");
      expect(await claims.size(join(folder, "a"))).toBeUndefined();
    }));

  test("recover gives back what any worker of an earlier start had taken", () =>
    withFolder(async (folder) => {
      await writeFile(join(folder, "a.busy0"), "x");
      await writeFile(join(folder, "b.busy3"), "xy");
      const claims = createOwnClaims();
      await claims.recover(folder);
      expect((await readdir(folder)).sort()).toEqual(["a", "b"]);
      expect(await claims.size(join(folder, "b"))).toBe(2);
    }));
});

describe("createSharedClaims", () => {
  test("giveBack leaves the digest so far for another worker, and end removes it", () =>
    withFolder(async (folder) => {
      const [one, other] = [createSharedClaims(0, 2), createSharedClaims(1, 2)];
      const path = join(folder, "a");
      await one.begin(path);
      const first = await taken(one.take(path));
      expect(first.note).toBeUndefined();
      expect(await other.take(path)).toBe("taken");
      await first.handle.close();
      await one.giveBack(path, () => note);
      const second = await taken(other.take(path));
      expect(second.note).toEqual(note);
      await second.handle.close();
      await rm(second.path);
      await other.end(path);
      expect(await readdir(folder)).toEqual([]);
    }));

  test("recover of the first gives back what workers had taken that there are no more", () =>
    withFolder(async (folder) => {
      for (const slot of [0, 1, 2, 7]) await writeFile(join(folder, `${slot}.busy${slot}`), "x");
      const [first, second] = [createSharedClaims(0, 2), createSharedClaims(1, 2)];
      await first.recover(folder);
      expect((await readdir(folder)).sort()).toEqual(["0", "1.busy1", "2", "7"]);
      await second.recover(folder);
      expect(await second.size(join(folder, "1"))).toBe(1);
      expect(await second.size(join(folder, "7"))).toBe(1);
    }));

  test("take ignores a note that a kill cut off", () =>
    withFolder(async (folder) => {
      const claims = createSharedClaims(0, 1);
      const path = join(folder, "a");
      await claims.begin(path);
      await writeFile(`${path}.digest`, `3 ${note.digest.slice(0, 30)}`);
      const claim = await taken(claims.take(path));
      expect(claim.note).toBeUndefined();
      await claim.handle.close();
    }));
});
