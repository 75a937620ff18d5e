import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { link, mkdir, mkdtemp, open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseRepositoryName } from "../../oci/names.ts";
import { digestOf } from "../../registry/hash.ts";
import { streamOf } from "../../registry/streams.ts";
import { createBlobFiles } from "../blobs/files.ts";
import { type BlobPlace, storeFile } from "../blobs/place.ts";
import type { Metadata } from "../metadata/metadata.ts";
import type { Fault } from "../metadata/verification.ts";
import { openStore, type Store } from "../store.ts";
import { createMender } from "./mender.ts";
import { verifyStore } from "./verify.ts";

const repository = parseRepositoryName("a/b");
const large = new Uint8Array(50_000).fill(7);
const small = new Uint8Array(500).fill(7);

let folder: string;
let store: Store;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "berth-strays-"));
  store = await openStore({ folder });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

const pathOf = (bytes: Uint8Array) => createBlobFiles(join(folder, "blobs")).pathOf(digestOf(bytes));

/** Mends a store, of which no file is too young to be stray. Resolves to what was found. */
async function mend(metadata: Metadata): Promise<readonly Fault[]> {
  const faults: Fault[] = [];
  const options = { folder, metadata, blobs: createBlobFiles(join(folder, "blobs")) };
  await verifyStore({
    ...options,
    ...{ by: "repair", mender: createMender(options), signal: new AbortController().signal },
    strayAges: { blobMs: -1000, uploadMs: 3_600_000 },
    onFault: (fault) => faults.push(fault),
  });
  return faults;
}

/** Metadata that let something happen right after they have said whether they know a file. */
function happening(metadata: Metadata, act: () => Promise<void>): Metadata {
  const { verification } = metadata;
  return {
    ...metadata,
    verification: {
      ...verification,
      async knowsFile(digest) {
        const isKnown = await verification.knowsFile(digest);
        await act();
        return isKnown;
      },
    },
  };
}

describe("verifyStore", () => {
  test("leaves a file that an upload makes its blob's at the moment at which it looks stray", async () => {
    const { registry, metadata } = store;
    const { id } = await registry.startUpload(repository);
    await registry.appendUpload(repository, id, streamOf(large));
    // The upload was cut off between its file's two names and its row, and ends now.
    const [session = ""] = await readdir(join(folder, "uploads"));
    await mkdir(dirname(pathOf(large)), { recursive: true });
    await link(join(folder, "uploads", session), pathOf(large));
    const faults = await mend(
      happening(metadata, async () => {
        await registry.finishUpload(repository, id, digestOf(large));
      }),
    );
    expect(faults).toEqual([]);
    expect(await registry.resolveBlob(repository, digestOf(large))).toMatchObject({ size: large.byteLength });
  });

  test("takes a file away before its row is there, and whoever pushes it makes it a blob's again", async () => {
    const { registry, metadata } = store;
    const path = join(folder, "uploads", `${randomUUID()}.put`);
    await Bun.write(path, large);
    await using file = await open(path);
    const found: Fault[] = [];
    const place: BlobPlace = {
      blobs: createBlobFiles(join(folder, "blobs")),
      async link(...args) {
        if (found.length === 0) found.push(...(await mend(metadata)));
        return metadata.linkStoredBlob(...args);
      },
    };
    const expected = { digest: digestOf(large), size: large.byteLength };
    await storeFile(place, repository, { ...expected, path, fd: file.fd }, 0);
    expect(found).toMatchObject([{ kind: "stray-blob", mended: expect.stringContaining("quarantine/") }]);
    expect(await registry.resolveBlob(repository, expected.digest)).toMatchObject(expected);
  });

  test("finds the file of a blob that stands in the metadata, which nobody reads, and moves it away", async () => {
    const { registry, metadata } = store;
    const expected = { digest: digestOf(small), size: small.byteLength };
    await registry.putBlob(repository, expected, streamOf(small));
    await mkdir(dirname(pathOf(small)), { recursive: true });
    await Bun.write(pathOf(small), small);
    expect(await mend(metadata)).toMatchObject([
      { kind: "stray-blob", mended: expect.stringContaining("quarantine/") },
    ]);
    const { source } = await registry.getBlob(repository, expected.digest);
    expect(source).toEqual({ kind: "bytes", bytes: small });
  });
});
