import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir, rm, truncate, utimes } from "node:fs/promises";
import { join } from "node:path";
import { digestOf } from "../../src/registry/hash.ts";
import { runBerth } from "../fixtures/command-lines.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { missingOf, pushBlob, pushImage } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { blobFileOf, flipBit, readWorkLines } from "../fixtures/stored-blobs.ts";

setDefaultTimeout(30_000);

let berth: RunningRegistry;

beforeAll(async () => {
  berth = await startBerth();
});
afterAll(() => berth.stop());

/** An image of which each test harms another. */
const push = (tag: string) => pushImage(berth.url, "verify/app", tag, [100_000, 40_000]);

const fileOf = (digest: string) => blobFileOf(berth.data, digest);

/** Runs berth verify beside the server. Resolves to its exit code and the lines of its JSON. */
async function verify(...flags: readonly string[]) {
  const args = ["verify", "--data", berth.data, "--rate", "0", "--json", ...flags];
  const { exitCode, stdout, stderr } = await runBerth(args);
  expect(stderr).toBe("");
  return { exitCode, ...readWorkLines(stdout) };
}

const ask = (digest: string, method = "HEAD") =>
  fetch(`${berth.url}/v2/verify/app/blobs/${digest}`, { method });

describe("berth verify", () => {
  test("verify finds nothing wrong with a store in use, and counts what it looked at", async () => {
    await push("whole");
    const { exitCode, faults, done } = await verify();
    expect({ exitCode, faults }).toEqual({ exitCode: 0, faults: [] });
    expect(done).toMatchObject({
      state: "done",
      counts: { manifests: 1, tags: 1, links: 3, blobs: 3, files: 2, faults: 0, mended: 0 },
    });
    expect(done.counts.bytes).toBeGreaterThan(140_000);
  });

  test("verify finds a flipped bit; with --repair the blob is not there until it is pushed again", async () => {
    const image = await push("flipped");
    const [, digest = ""] = image.blobs;
    const whole = await Bun.file(fileOf(digest)).bytes();
    await flipBit(fileOf(digest));

    const found = await verify();
    expect(found.exitCode).toBe(1);
    expect(found.faults).toEqual([
      {
        ...{ kind: "blob-damaged", subject: digest, repository: "verify/app" },
        detail: expect.stringMatching(/^the bytes of its file have the digest sha256:/),
      },
    ]);
    expect((await ask(digest)).status).toBe(200); // nothing was changed

    expect((await verify("--repair")).exitCode).toBe(1);
    const answer = await ask(digest, "GET");
    expect(answer.status).toBe(404);
    expect(await answer.text()).toContain("a push of it brings it back");
    expect((await readdir(join(berth.data, "quarantine"))).join()).toContain(digest.slice(7));
    const refused = await fetch(`${berth.url}/v2/verify/app/manifests/again`, {
      ...{ method: "PUT", body: image.manifest },
      headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
    });
    expect([refused.status, await refused.text()]).toEqual([404, expect.stringContaining(digest)]);
    expect((await verify()).faults).toMatchObject([{ kind: "blob-lost", subject: digest }]);

    await pushBlob(berth.url, "verify/other", whole);
    expect(await missingOf(berth.url, image)).toEqual([]);
    expect((await verify()).exitCode).toBe(0);
  });
});

test("verify calls no upload stray that the folder's server keeps for longer than others do", async () => {
  const folder = await makeTemporaryFolder();
  const config = join(folder, "berth.yaml");
  await Bun.write(config, `upload-expiry-hours: ${20 * 24}\n`);
  const server = await startBerth({ data: join(folder, "data"), args: ["--config", config] });
  try {
    const begun = await fetch(`${server.url}/v2/slow/app/blobs/uploads/`, { method: "POST" });
    const session = new URL(begun.headers.get("location") ?? "", server.url);
    expect((await fetch(session, { method: "PATCH", body: "some of it" })).status).toBe(202);
    const [upload = ""] = await readdir(join(server.data, "uploads"));
    const findStrays = async (ageDays: number) => {
      const then = Date.now() / 1000 - ageDays * 86_400;
      await utimes(join(server.data, "uploads", upload), then, then);
      const { stdout } = await runBerth(["verify", "--data", server.data, "--json"]);
      return readWorkLines(stdout).faults.map(({ kind }) => kind);
    };
    expect(await findStrays(30)).toEqual([]);
    expect(await findStrays(50)).toEqual(["stray-upload"]);
  } finally {
    await server.stop();
    await rm(folder, { recursive: true });
  }
});

describe("the server's own verification", () => {
  test("takes a damaged blob out of use, logs it, counts it and shows it", async () => {
    const folder = await makeTemporaryFolder();
    const config = join(folder, "berth.yaml");
    await Bun.write(config, "verify: { every: 1s, rate: 1GB }\n");
    const options = { data: join(folder, "data"), args: ["--config", config] };
    try {
      const first = await startBerth({ data: options.data });
      const image = await pushImage(first.url, "own/app", "1", [100_000]);
      await first.stop();
      const [, digest = ""] = image.blobs;
      await flipBit(blobFileOf(options.data, digest));
      const server = await startBerth(options);
      await server.process.waitForOutput(new RegExp(`"kind":"blob-damaged","subject":"${digest}"`));
      expect((await fetch(`${server.url}/v2/own/app/blobs/${digest}`, { method: "HEAD" })).status).toBe(404);
      await server.process.waitForOutput(/verified the store/);
      const status = await runBerth(["verify", "status", server.host, "--json"], { env: { HOME: folder } });
      const { lostBlobs, verifications } = JSON.parse(status.stdout);
      expect([status.exitCode, lostBlobs]).toEqual([1, 1]);
      const { id } = verifications.find(
        ({ finishedAt }: { finishedAt?: string }) => finishedAt !== undefined,
      );
      const shown = await runBerth(["verify", "status", server.host, "--faults", `${id}`], {
        env: { HOME: folder },
      });
      expect(shown.stdout).toMatch(new RegExp(`^blob-(damaged|lost): ${digest} \\(own/app\\): `));
      const metrics = await (await fetch(`${server.url}/metrics`)).text();
      expect(metrics).toContain("\nberth_lost_blobs 1\n");
      expect(metrics).toMatch(/\nberth_verified_timestamp_seconds \d{10}/);
      await server.stop();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("goes on over restarts where it was, and its metrics show what it read", async () => {
    const folder = await makeTemporaryFolder();
    const config = join(folder, "berth.yaml");
    const options = { data: join(folder, "data"), args: ["--config", config] };
    const rateOf = (rate: string) => Bun.write(config, `verify: { every: 1s, rate: ${rate} }\n`);
    const statusOf = async ({ host }: RunningRegistry) => {
      const status = await runBerth(["verify", "status", host, "--json"], { env: { HOME: folder } });
      return JSON.parse(status.stdout).verifications.toReversed();
    };
    const metricsOf = async ({ url }: RunningRegistry) => (await fetch(`${url}/metrics`)).text();
    try {
      await Bun.write(config, "verify: { every: never }\n");
      const first = await startBerth(options);
      const images = [
        await pushImage(first.url, "own/a", "1", [20_000]),
        await pushImage(first.url, "own/a", "2", [60_000]),
      ];
      expect(await statusOf(first)).toEqual([]);
      await first.stop();
      // What is found is written down at once, so that it is known to be in the middle.
      await truncate(blobFileOf(options.data, images[0]?.blobs[1] ?? ""), 10);
      await rateOf("2kB");
      const slow = await startBerth(options);
      await slow.process.waitForOutput(/"kind":"blob-damaged"/);
      expect(await metricsOf(slow)).toContain("\nberth_verified_timestamp_seconds 0\n");
      await slow.stop();
      await rateOf("1GB");
      const fast = await startBerth(options);
      await fast.process.waitForOutput(/verified the store/);
      const [round] = await statusOf(fast);
      expect(round).toMatchObject({
        by: "server",
        stage: "done",
        counts: { blobs: 4, manifests: 2, faults: 1 },
      });
      const metrics = await metricsOf(fast);
      expect(metrics).toMatch(/\nberth_verified_timestamp_seconds \d{10}/);
      expect(metrics).toMatch(/\nberth_verified_bytes 6\d{4}/);
      expect(metrics).toContain("\nberth_verified_faults 1\n");
      await fast.stop();
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("a blob with a flipped bit that nobody has found yet", () => {
  test("is sent once more, whole and by range, and every client that asks for all of it finds out", async () => {
    const { blobs, digest: image } = await push("not-found-yet");
    const [, digest = ""] = blobs;
    const whole = await Bun.file(fileOf(digest)).bytes();
    await flipBit(fileOf(digest));
    const url = `${berth.url}/v2/verify/app/blobs/${digest}`;
    const sent = await fetch(url);
    expect([sent.status, sent.headers.get("docker-content-digest")]).toEqual([200, digest]);
    expect(digestOf(await sent.bytes())).not.toBe(digest);
    const middle = Math.floor(whole.byteLength / 2);
    const part = await fetch(url, { headers: { range: `bytes=${middle - 1}-${middle + 1}` } });
    expect(part.status).toBe(206);
    expect(await part.bytes()).not.toEqual(whole.slice(middle - 1, middle + 2));

    const folder = await makeTemporaryFolder();
    try {
      const target = `oci:${join(folder, "layout")}:1`;
      const pulled = await runBerth(["copy", `${berth.host}/verify/app@${image}`, target], {
        env: { HOME: folder },
      });
      expect([pulled.exitCode, pulled.stderr]).toEqual([1, expect.stringContaining(digest)]);
    } finally {
      await rm(folder, { recursive: true });
    }
    expect((await verify("--repair")).faults).toMatchObject([{ kind: "blob-damaged", subject: digest }]);
    expect([
      (await fetch(url)).status,
      (await fetch(url, { headers: { range: "bytes=0-1" } })).status,
    ]).toEqual([404, 404]);
  });
});
