import { expect, test } from "bun:test";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { blobOf, fileSize, keepNothing, putBlob } from "../../../tests/fixtures/collections.ts";
import { makeTemporaryFolder } from "../../../tests/fixtures/processes.ts";
import { encodedOf } from "../../oci/digests.ts";
import { parseRepositoryName } from "../../oci/names.ts";
import { createBlobFiles } from "../blobs/files.ts";
import type { RemovedFile } from "../metadata/collection.ts";
import { openStore, type Store } from "../store.ts";

const app = parseRepositoryName("team/app");
/** More than are removed in one step. */
const inTheWay = 9;

/** Puts blobs into a store that nothing needs, and decides that they go; their files are still there. */
async function decided(store: Store, count: number): Promise<readonly RemovedFile[]> {
  for (let n = 0; n < count; n++) await putBlob(store.registry, app, blobOf(`blob ${n}`, fileSize));
  const { collection } = store.metadata;
  const { id } = await collection.startRun({ actor: "test", graceMs: 0, slot: 0 });
  while ((await collection.collect(id, { now: Date.now() + 1, graceMs: 0 })).more);
  await collection.endRun(id, "done");
  return collection.listRemovedFiles(count);
}

async function runOf({ collector, metadata: { collection } }: Store) {
  const { id, ended } = await collector.start({ actor: "test" });
  await ended;
  return { outcome: (await collection.getRun(id))?.outcome, files: (await collection.backlog()).files };
}

test("a collection removes the other files when some cannot be removed, and tells of each of those once", async () => {
  const folder = await makeTemporaryFolder();
  const troubles: string[] = [];
  const open = () => openStore({ folder, keep: keepNothing, troubled: (what) => void troubles.push(what) });
  const { pathOf } = createBlobFiles(join(folder, "blobs"));
  let store = await open();
  try {
    const files = await decided(store, inTheWay + 3);
    const stuck = files.slice(0, inTheWay);
    const takenOf = ({ digest, id }: RemovedFile): string =>
      join(folder, "removed", `${encodedOf(digest)}.${id}`);
    // Of the first, the file cannot be taken away; of the others, what was taken cannot be deleted.
    const [untaken, ...undeleted] = stuck;
    if (!untaken) throw new Error("there are files to remove");
    await mkdir(takenOf(untaken));
    for (const { digest } of undeleted) {
      await rm(pathOf(digest));
      await mkdir(pathOf(digest));
    }
    expect(await runOf(store)).toEqual({ outcome: "done", files: inTheWay });
    for (const { digest } of files.slice(inTheWay))
      await expect(stat(pathOf(digest))).rejects.toThrow("ENOENT");
    expect(troubles).toHaveLength(inTheWay);
    expect(troubles[0]).toContain(`${pathOf(untaken.digest)} cannot be removed`);
    expect(await runOf(store)).toEqual({ outcome: "done", files: inTheWay });
    expect(troubles).toHaveLength(inTheWay);

    await store.close();
    troubles.length = 0;
    store = await open(); // a folder among what was taken does not keep it from starting
    expect(troubles).toHaveLength(inTheWay);
    for (const name of await readdir(join(folder, "removed"))) {
      await rm(join(folder, "removed", name), { recursive: true });
    }
    expect(await runOf(store)).toEqual({ outcome: "done", files: 0 });
    await expect(stat(pathOf(untaken.digest))).rejects.toThrow("ENOENT");
  } finally {
    await store.close();
    await rm(folder, { recursive: true });
  }
});
