import { describe, expect, test } from "bun:test";
import { link, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRepositoryName } from "../oci/names.ts";
import { createUploadFiles, type UploadFiles } from "./upload-files.ts";

const repository = parseRepositoryName("a/b");
const id = "11111111-2222-3333-4444-555555555555";

async function withFiles(
  run: (one: UploadFiles, other: UploadFiles, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "berth-uploads-"));
  const make = (slot: number) => createUploadFiles({ folder, slot, slots: 2, maxOpen: 3 });
  try {
    await run(make(0), make(1), folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("createUploadFiles", () => {
  test("claim is refused when another process has the session", () =>
    withFiles(async (one, other) => {
      await one.create(repository, id);
      const claimed = await one.claim(repository, id);
      expect(other.claim(repository, id)).rejects.toMatchObject({ code: "UPLOAD_RANGE_INVALID" });
      expect(await other.size(repository, id)).toBe(0);
      await claimed.release();
      await (await other.claim(repository, id)).remove();
      expect(one.size(repository, id)).rejects.toMatchObject({ code: "BLOB_UPLOAD_UNKNOWN" });
    }));

  test("claim finds nothing when the session is another repository's, or its name is a path", () =>
    withFiles(async (one) => {
      await one.create(repository, id);
      for (const wrong of [`../${id}`, "", `${id}.x`, id.toUpperCase().replace("1", "A")]) {
        expect(one.claim(repository, wrong)).rejects.toMatchObject({ code: "BLOB_UPLOAD_UNKNOWN" });
      }
      const claim = one.claim(parseRepositoryName("a/c"), id);
      expect(claim).rejects.toMatchObject({ code: "BLOB_UPLOAD_UNKNOWN" });
    }));

  test("recover gives back what a killed process of the slot had taken, and no other", () =>
    withFiles(async (one, other, folder) => {
      await one.create(repository, id);
      await one.claim(repository, id).then(({ handle }) => handle.close());
      await other.recover();
      expect((await readdir(folder))[0]).toEndWith(".busy0");
      await one.recover();
      expect(await other.size(repository, id)).toBe(0);
    }));

  test("expire removes what nobody wrote to, and keeps the rest", () =>
    withFiles(async (one, _, folder) => {
      await one.create(repository, id);
      await writeFile(join(folder, "old.put"), "x");
      const longAgo = new Date(Date.now() - 3_600_000);
      await utimes(join(folder, "old.put"), longAgo, longAgo);
      expect(await one.expire(1_800_000)).toBe(1);
      expect(await one.size(repository, id)).toBe(0);
    }));

  test("expire removes the others when some cannot be removed, and tells of each of those once", () =>
    withFiles(async (_one, _other, folder) => {
      const troubles: string[] = [];
      const files = createUploadFiles({
        ...{ folder, slot: 0, slots: 1, maxOpen: 3, troubled: (what) => troubles.push(what) },
        leaving: async (path) => {
          if (path.endsWith("linked-0.put")) throw new Error("the disk cannot read it");
        },
      });
      await mkdir(join(folder, "folder.put"));
      for (const n of [0, 1, 2]) {
        await writeFile(join(folder, `linked-${n}.put`), "x");
        await link(join(folder, `linked-${n}.put`), join(folder, "folder.put", `${n}`));
      }
      const longAgo = new Date(Date.now() - 3_600_000);
      for (const name of await readdir(folder)) await utimes(join(folder, name), longAgo, longAgo);
      expect(await files.expire(1_800_000)).toBe(2);
      expect((await readdir(folder)).toSorted()).toEqual(["folder.put", "linked-0.put"]);
      const told = [
        expect.stringContaining("folder.put cannot be removed"),
        expect.stringContaining("the disk cannot read it"),
      ];
      expect(troubles.toSorted()).toEqual(told);
      expect(await files.expire(1_800_000)).toBe(0);
      expect(troubles.toSorted()).toEqual(told);
    }));

  test("create is refused when too many are open", () =>
    withFiles(async (one) => {
      const ids = ["1", "2", "3", "4"].map((digit) => id.replaceAll("1", digit));
      const results = await Promise.allSettled(ids.map((each) => one.create(repository, each)));
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
      const refused = results.find((result) => result.status === "rejected");
      expect(refused?.reason).toMatchObject({ code: "TOOMANYREQUESTS" });
    }));
});
