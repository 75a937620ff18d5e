import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cp, rm, truncate, unlink } from "node:fs/promises";
import { join } from "node:path";
import { runBerth } from "../fixtures/command-lines.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { missingOf, type PushedImage, pushImage } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth, startDockerRegistry } from "../fixtures/registries.ts";
import { blobFileOf, flipBit, readWorkLines } from "../fixtures/stored-blobs.ts";
import { isAvailable } from "../programs.ts";

setDefaultTimeout(30_000);

const password = "a secret of ann's";

describe.skipIf(!isAvailable("docker-registry"))("berth verify --repair --from another registry", () => {
  let folder: string;
  let source: string;
  let images: readonly PushedImage[];
  let other: RunningRegistry;

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    source = join(folder, "source");
    other = await startDockerRegistry({ users: { ann: password } });
    const berth = await startBerth({ data: source });
    images = [];
    for (const tag of ["1", "2"]) {
      images = [...images, await pushImage(berth.url, "far/app", tag, [60_000, 30_000])];
    }
    const env = { HOME: folder };
    const login = ["login", other.host, "--username", "ann", "--password-stdin"];
    expect((await runBerth(login, { env, stdin: password })).exitCode).toBe(0);
    for (const tag of ["1", "2"]) {
      const copied = await runBerth(
        ["copy", `${berth.host}/far/app:${tag}`, `${other.host}/far/app:${tag}`],
        { env },
      );
      expect([copied.exitCode, copied.stderr]).toEqual([0, ""]);
    }
    await berth.stop();
  });
  afterAll(async () => {
    await other.stop();
    await rm(folder, { recursive: true });
  });

  /** A data folder with a layer that is lost, one that is cut off, one with a flipped bit, a damaged config and manifest. */
  async function makeDamaged(name: string): Promise<string> {
    const data = join(folder, name);
    await cp(source, data, { recursive: true });
    const [lost = "", cut = "", flipped = ""] = images.flatMap(({ blobs }) => blobs.slice(1));
    await unlink(blobFileOf(data, lost));
    await truncate(blobFileOf(data, cut), 10);
    await flipBit(blobFileOf(data, flipped));
    using db = new Database(join(data, "metadata.db"));
    db.run("UPDATE small_blobs SET bytes = x'00' WHERE blob_id = (SELECT min(blob_id) FROM small_blobs)");
    db.run("UPDATE manifests SET bytes = CAST('{}' AS BLOB) WHERE id = 2");
    return data;
  }

  const repair = async (data: string, home: string) => {
    const args = ["verify", "--data", data, "--repair", "--from", other.host, "--rate", "0", "--json"];
    const { exitCode, stdout, stderr } = await runBerth(args, { env: { HOME: home } });
    return { exitCode, stdout, stderr, ...readWorkLines(stdout) };
  };

  test("lost and damaged blobs and manifests come back with the login that is kept for it", async () => {
    const data = await makeDamaged("logged-in");
    const { exitCode, faults, done, stdout, stderr } = await repair(data, folder);
    expect([exitCode, done.counts.faults, done.counts.mended]).toEqual([0, 5, 5]);
    for (const { mended } of faults) expect(mended).toBe(`fetched again from ${other.host}/far/app`);
    expect(faults.map(({ kind }) => kind).sort()).toEqual([
      ...["blob-damaged", "blob-damaged", "blob-damaged", "blob-lost", "manifest-damaged"],
    ]);
    expect(stdout + stderr).not.toContain(password);
    const berth = await startBerth({ data });
    try {
      for (const image of images) expect(await missingOf(berth.url, image)).toEqual([]);
      const manifest = await fetch(`${berth.url}/v2/far/app/manifests/2`);
      expect(await manifest.text()).toBe(images[1]?.manifest ?? "");
    } finally {
      await berth.stop();
    }
  });

  test("without a login all is reported with what the other registry said, and mended when run again with it", async () => {
    const data = await makeDamaged("anonymous");
    const refused = await repair(data, join(folder, "nobody"));
    expect([refused.exitCode, refused.done.counts.faults, refused.done.counts.mended]).toEqual([1, 5, 0]);
    for (const { detail } of refused.faults) expect(detail).toContain(`not from ${other.host}/far/app: `);
    const mended = await repair(data, folder);
    expect([mended.exitCode, mended.done.counts.mended]).toEqual([0, 5]);
  });
});
