import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { runBerth } from "../fixtures/command-lines.ts";
import { missingOf, pushBlob, pushImage } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { blobFileOf, flipBit, readWorkLines } from "../fixtures/stored-blobs.ts";

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
