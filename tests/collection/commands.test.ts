import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { openSqliteMetadata } from "../../src/store/metadata/sqlite/sqlite.ts";
import { startBerthWithAccounts } from "../fixtures/accounts.ts";
import { runBerth } from "../fixtures/command-lines.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { imageManifest, pushBlob, pushImage, putManifest, sha256 } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { blobsOnDisk } from "../fixtures/stored-blobs.ts";

setDefaultTimeout(30_000);

let berth: RunningRegistry;
let folder: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  const config = join(folder, "berth.yaml");
  await Bun.write(config, "gc: { lease: 0s, every: never }\n");
  berth = await startBerth({ args: ["--config", config, "--workers", "2"] });
});
afterAll(async () => {
  await berth?.stop();
  await rm(folder, { recursive: true });
});

const gc = (...args: readonly string[]) =>
  runBerth(["gc", ...args], { env: { HOME: folder, DOCKER_CONFIG: folder } });

/** What `/metrics` tells of collections, by name and labels. */
async function metrics(): Promise<Record<string, number>> {
  const text = await (await fetch(`${berth.url}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith("berth_gc_"));
  return Object.fromEntries(
    lines.map((line) => line.split(" ")).map(([name, value]) => [name, Number(value)]),
  );
}

const files = () => blobsOnDisk(berth.data);

const remove = async (repository: string, digest: string) =>
  expect(
    (await fetch(`${berth.url}/v2/${repository}/manifests/${digest}`, { method: "DELETE" })).status,
  ).toBe(202);

describe("berth gc", () => {
  test("run gives back what a deleted image needed, after status, why and a dry run told of it", async () => {
    const image = await pushImage(berth.url, "team/app", "1", [40_000, 50_000]);
    const [config = "", layer = ""] = image.blobs;
    expect((await gc("why", berth.host, layer)).stdout).toBe(
      `blob ${layer}, 40kB: kept\n  team/app: manifest ${image.digest} (1) needs it\n`,
    );
    expect((await gc("why", berth.host, image.digest)).stdout).toBe(
      `manifest ${image.digest}: kept\n  team/app: has the tag 1\n`,
    );
    await remove("team/app", image.digest);
    expect((await gc("why", berth.host, layer)).stdout).toMatch(
      /: goes 20\S+Z, with the next berth gc run\n {2}team\/app: .+\n {2}team\/app: manifest \S+ was deleted and can be brought back, until 20\S+Z\n$/,
    );
    expect((await gc("run", berth.host)).stdout).toBe(
      "Gave back 0 blobs, 0 bytes\n1 deleted manifest can be brought back, for 24 hours: --grace 0s lets go of it now\n",
    );
    const bytes = 90_000 + JSON.stringify({ architecture: "amd64", os: "linux", tag: "1" }).length;
    const plan = await gc("run", berth.host, "--dry-run", "--grace", "0s");
    expect(plan.stdout).toStartWith(
      `Would give back 3 blobs, ${bytes} bytes (90kB); 1 deleted manifest could not come back any more\nBLOB`,
    );
    for (const digest of image.blobs) expect(plan.stdout).toContain(digest);
    expect((await files()).toSorted()).toEqual(image.blobs.filter((each) => each !== config).toSorted());
    expect((await gc("status", berth.host)).stdout).toContain("1 deleted manifest, the first was deleted ");
    const { id } = JSON.parse((await gc("run", berth.host, "--grace", "0s", "--json")).stdout);
    expect(await files()).toEqual([]);
    const { runs, total, removedManifests } = JSON.parse((await gc("status", berth.host, "--json")).stdout);
    expect(runs[0]).toMatchObject({ id, outcome: "done", manifests: 1, links: 3, blobs: 3, bytes });
    expect({ total, removedManifests }).toEqual({
      total: { manifests: 1, links: 3, blobs: 3, bytes },
      removedManifests: 0,
    });
    expect(await gc("why", berth.host, layer)).toMatchObject({
      exitCode: 1,
      stdout: `${layer}: is not here\n`,
    });
    expect(await metrics()).toMatchObject({
      ...{ berth_gc_bytes_total: bytes, berth_gc_blobs_total: 3, berth_gc_manifests_total: 1 },
      ...{ berth_gc_removed_manifests: 0, berth_gc_reviews: 0, berth_gc_files: 0, berth_gc_running: 0 },
    });
  });

  test("run is not whole while somebody holds the store, which status tells", async () => {
    const image = await pushImage(berth.url, "team/held", "1", [40_000]);
    await remove("team/held", image.digest);
    const metadata = openSqliteMetadata(join(berth.data, "metadata.db"));
    const until = new Date(Date.now() + 60_000);
    const before = await metrics();
    expect(before.berth_gc_removed_manifests).toBe(1);
    const due = (before.berth_gc_oldest_due_timestamp_seconds ?? 0) - Date.now() / 1000;
    expect(due).toBeWithin(86_300, 86_401); // in a day, when it can no longer be brought back
    const hold = await metadata.collection.hold("backup to /backups", until);
    try {
      const run = await gc("run", berth.host, "--grace", "0s");
      expect(run).toMatchObject({ exitCode: 1, stdout: "Gave back 0 blobs, 0 bytes\n" });
      expect(run.stderr).toContain("(held)");
      expect((await gc("why", berth.host, image.digest)).stdout).toMatch(
        /: goes 20\S+Z, .+\n.+\n {2}nothing is removed beside backup to \/backups, until 20\S+Z\n$/,
      );
      const during = await metrics();
      expect(during.berth_gc_holds).toBe(1);
      const ended = during['berth_gc_last_run_timestamp_seconds{outcome="held"}'] ?? 0;
      expect(ended).toBeGreaterThan(during['berth_gc_last_run_timestamp_seconds{outcome="done"}'] ?? 0);
      expect(Math.abs(ended - Date.now() / 1000)).toBeLessThan(60);
      expect(during.berth_gc_last_run_duration_seconds).toBeLessThan(60);
      expect((await gc("status", berth.host)).stdout).toMatch(/held by {3,}backup to \/backups, until 20/);
    } finally {
      await metadata.collection.releaseHold(hold);
      await metadata.close();
    }
    expect((await gc("run", berth.host, "--grace", "0s")).stdout).toStartWith("Gave back 2 blobs");
  });

  test("run by two workers at a time is one run", async () => {
    await pushImage(berth.url, "team/two", "1", [40_000]);
    const answers = await Promise.all(
      Array.from({ length: 4 }, () =>
        gc("run", berth.host, "--json").then(({ stdout }) => JSON.parse(stdout)),
      ),
    );
    for (const { outcome } of answers) expect(outcome).toBe("done");
  });

  test("why explains what has no tag, what is uploaded alone, and what is in many repositories", async () => {
    const bytes = new TextEncoder().encode("shared by all of them");
    for (const repository of ["many/a", "many/b"]) await pushBlob(berth.url, repository, bytes);
    const manifest = imageManifest([bytes]);
    await putManifest(berth.url, "many/b", "1", manifest);
    const { objects } = JSON.parse(
      `{"objects":[${(await gc("why", "--json", berth.host, `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`)).stdout}]}`,
    );
    expect(objects[0]).toMatchObject({ kind: "blob", state: "kept", size: bytes.length });
    expect(objects[0].reasons.map(({ repository }: { repository: string }) => repository)).toEqual([
      "many/b",
      "many/a",
    ]);
  });

  test("why explains what an index lists, what refers to another, and what is uploaded alone", async () => {
    const why = async (digest: string) => (await gc("why", berth.host, digest)).stdout;
    const image = await pushImage(berth.url, "kinds/app", "1", [100]);
    const described = {
      ...{ mediaType: "application/vnd.oci.image.manifest.v1+json", digest: image.digest },
      size: image.manifest.length,
    };
    const mediaType = "application/vnd.oci.image.index.v1+json";
    const index = JSON.stringify({ schemaVersion: 2, mediaType, manifests: [described] });
    const signature = JSON.stringify({ ...JSON.parse(image.manifest), subject: described });
    for (const [tag, manifest, type] of [
      ["2", index, mediaType],
      ["3", signature, described.mediaType],
    ] as const) {
      const place = `${berth.url}/v2/kinds/app/manifests/${tag}`;
      const answer = await fetch(place, { method: "PUT", body: manifest, headers: { "content-type": type } });
      expect(answer.status).toBe(201);
    }
    expect(await why(image.digest)).toEndWith(`has the tag 1; is listed by index ${sha256(index)}\n`);
    expect(await why(sha256(signature))).toEndWith(`has the tag 3; refers to ${image.digest}\n`);
    const alone = new TextEncoder().encode("nothing names it");
    await pushBlob(berth.url, "kinds/app", alone);
    expect(await why(sha256(alone))).toMatch(
      /, 16B: goes 20\S+Z, with the next berth gc run\n {2}kinds\/app: no manifest needs it; .+, until 20\S+Z\n$/,
    );
    await remove("kinds/app", sha256(index));
    await remove("kinds/app", image.digest);
    // Nobody was told of the blob that stands alone but who uploaded it.
    expect((await gc("run", berth.host, "--grace", "0s")).stdout).toMatch(
      /^Gave back .+; 2 deleted manifests cannot come back any more\n\d blobs? more may be needed by .+Z, with berth gc run\n$/,
    );
  });

  test("refuses what is no duration or digest", async () => {
    expect(await gc("run", berth.host, "--grace", "soon")).toMatchObject({ exitCode: 2 });
    expect(await gc("why", berth.host, "latest")).toMatchObject({ exitCode: 2 });
  });
});

test("serve collects by itself what nothing needs, and tells it in the record", async () => {
  const config = join(folder, "scheduled.yaml");
  await Bun.write(config, "gc: { grace: 0s, lease: 0s, every: 1s }\n");
  const scheduled = await startBerthWithAccounts({ args: ["--config", config] });
  try {
    const image = await pushImage(scheduled.url, "team/app", "1", [40_000], scheduled.admin);
    const headers = { authorization: scheduled.admin };
    const place = `${scheduled.url}/v2/team/app/manifests/${image.digest}`;
    expect((await fetch(place, { method: "DELETE", headers })).status).toBe(202);
    const layer = join(scheduled.data, "blobs", "sha256", image.blobs[1]?.slice(7, 9) ?? "");
    for (let look = 0; (await readdir(layer)).length > 0; look++) {
      if (look === 400) throw new Error("the layer's file is still there");
      await Bun.sleep(25);
    }
    const recorded = async () => {
      const answer = await fetch(`${scheduled.url}/api/v1/audit?action=gc.run`, { headers });
      return ((await answer.json()) as { entries: { actor: string; detail: string }[] }).entries; // as the API promises
    };
    for (let look = 0; (await recorded()).length === 0; look++) {
      if (look === 400) throw new Error("the run is not in the record");
      await Bun.sleep(25);
    }
    const [entry] = await recorded();
    expect(entry?.actor).toBe("berth");
    expect(JSON.parse(entry?.detail ?? "")).toMatchObject({ outcome: "done", manifests: 1, blobs: 2 });
  } finally {
    await scheduled.stop();
  }
});
