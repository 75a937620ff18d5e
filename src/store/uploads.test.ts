import { expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodedOf } from "../oci/digests.ts";
import { RegistryError } from "../oci/errors.ts";
import { parseRepositoryName } from "../oci/names.ts";
import { digestOf } from "../registry/hash.ts";
import { streamOf } from "../registry/streams.ts";
import { createBlobFiles } from "./blobs/files.ts";
import { openStore } from "./store.ts";
import { createUploadFiles } from "./upload-files.ts";
import { createUploads } from "./uploads.ts";

const repository = parseRepositoryName("a/b");
const bytes = new Uint8Array(50_000).fill(7);
const digest = digestOf(bytes);

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "berth-uploads-"));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("finishUpload need not read again what another process has hashed", () =>
  withFolder(async (folder) => {
    const one = await openStore({ folder, slot: 0, slots: 2 });
    const other = await openStore({ folder, slot: 1, slots: 2 });
    const { id } = await one.registry.startUpload(repository);
    await one.registry.appendUpload(repository, id, streamOf(bytes));
    const uploads = join(folder, "uploads");
    const note = (await readdir(uploads)).find((name) => name.endsWith(".digest")) ?? "";
    expect(await readFile(join(uploads, note), "utf8")).toBe(`50000 ${digest}`);
    expect(await other.uploads.count()).toBe(1);
    await other.registry.finishUpload(repository, id, digest);
    expect(await readdir(uploads)).toEqual([]);
    await other.close();
    await one.close();
  }));

test("finishUpload puts back a blob whose file was damaged or lost", () =>
  withFolder(async (folder) => {
    const store = await openStore({ folder });
    const { registry } = store;
    const file = join(folder, "blobs", "sha256", encodedOf(digest).slice(0, 2), encodedOf(digest));
    const flip = () => writeFile(file, new Uint8Array(50_000).fill(8));
    for (const harm of [() => {}, () => truncate(file, 10), flip, () => unlink(file)]) {
      await harm();
      const { id } = await registry.startUpload(repository);
      await registry.appendUpload(repository, id, streamOf(bytes));
      await registry.finishUpload(repository, id, digest);
      expect(digestOf(await readFile(file))).toBe(digest);
      expect(await readdir(join(folder, "uploads"))).toEqual([]);
    }
    const { source } = await registry.getBlob(repository, digest);
    expect(source).toEqual({ kind: "file", path: file });
    await store.close();
  }));

test("the store says of no blob that it exists whose file is lost or has another size", () =>
  withFolder(async (folder) => {
    const troubles: string[] = [];
    const store = await openStore({ folder, troubled: (what) => troubles.push(what) });
    const { registry } = store;
    const other = parseRepositoryName("c/d");
    const file = join(folder, "blobs", "sha256", encodedOf(digest).slice(0, 2), encodedOf(digest));
    await registry.putBlob(repository, { digest, size: bytes.byteLength }, streamOf(bytes));
    expect(await registry.mountBlob(other, digest)).toBeDefined();
    for (const harm of [() => truncate(file, 10), () => unlink(file)]) {
      await harm();
      for (const ask of [registry.resolveBlob, registry.getBlob]) {
        expect(ask(repository, digest)).rejects.toMatchObject({
          code: "BLOB_UNKNOWN",
          message: expect.stringContaining("a push of it brings it back"),
        });
      }
      expect(await registry.mountBlob(other, digest)).toBeUndefined();
    }
    expect(troubles).toHaveLength(1); // once for each blob
    await registry.putBlob(other, { digest, size: bytes.byteLength }, streamOf(bytes));
    expect((await registry.resolveBlob(repository, digest)).size).toBe(50_000);
    await store.close();
  }));

test("finishUpload keeps the session when the metadata are busy, and no byte of it changes", () =>
  withFolder(async (folder) => {
    const sessions = createUploadFiles({ folder, slot: 0, slots: 1, maxOpen: 10 });
    const state = { busy: true };
    const uploads = createUploads({
      ...{ sessions, stallMs: 1000, blobs: createBlobFiles(join(folder, "blobs")) },
      async link() {
        if (state.busy) throw new RegistryError("UNAVAILABLE", "the registry's metadata are busy: try again");
        return true;
      },
    });
    for (const content of [bytes, bytes.subarray(0, 10)]) {
      const wanted = digestOf(content);
      const { id } = await uploads.startUpload(repository);
      await uploads.appendUpload(repository, id, streamOf(content));
      state.busy = true;
      await expect(uploads.finishUpload(repository, id, wanted)).rejects.toThrow("busy");
      expect((await uploads.getUpload(repository, id)).offset).toBe(content.byteLength);
      if (content === bytes) {
        await expect(uploads.appendUpload(repository, id, streamOf(bytes))).rejects.toThrow("stored already");
      }
      state.busy = false;
      expect(await uploads.finishUpload(repository, id, wanted)).toMatchObject({ digest: wanted });
      await expect(uploads.getUpload(repository, id)).rejects.toThrow("there is no upload");
    }
  }));
