import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { smallLayers } from "../fixtures/images.ts";
import { writeLayout } from "../fixtures/layouts.ts";
import { makeTemporaryFolder, succeed } from "../fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { isAvailable, programPath } from "../programs.ts";

setDefaultTimeout(60_000);

function craneTests(): void {
  let berth: RunningRegistry;
  let folder: string;
  let digest: string;

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    berth = await startBerth();
    const platforms = ["linux/amd64", "linux/arm64"];
    await writeLayout({
      folder: join(folder, "index"),
      seed: "crane",
      layers: smallLayers,
      platforms,
    });
    // crane pushes the layout's own index.
    digest = `sha256:${await sha256Of(join(folder, "index", "index.json"))}`;
    await crane("push", "--index", join(folder, "index"), at("cranes/app:1"));
  });

  afterAll(async () => {
    await berth?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const at = (name: string) => `${berth.host}/${name}`;
  const crane = (...args: readonly string[]) =>
    succeed(programPath("crane"), ["--insecure", ...args], {
      env: { HOME: folder, DOCKER_CONFIG: undefined },
    });

  const sha256Of = async (file: string) =>
    new Bun.CryptoHasher("sha256").update(await Bun.file(file).bytes()).digest("hex");

  test("crane pull gives the index back that crane push sent", async () => {
    expect(await crane("digest", at("cranes/app:1"))).toBe(digest);
    const pulled = join(folder, "pulled");
    await crane("pull", "--format", "oci", at("cranes/app:1"), pulled);
    expect(`sha256:${await sha256Of(join(pulled, "blobs", ...digest.split(":")))}`).toBe(digest);
  });

  test("crane validate finds every layer whole", async () => {
    await crane("validate", "--remote", at("cranes/app:1"));
  });

  test("crane copy, tag, ls, catalog and delete agree with each other", async () => {
    await crane("copy", at("cranes/app:1"), at("cranes/other:1"));
    expect(await crane("digest", at("cranes/other:1"))).toBe(digest);
    await crane("tag", at("cranes/other:1"), "2");
    expect(await crane("ls", at("cranes/other"))).toBe("1\n2");
    expect((await crane("catalog", berth.host)).split("\n")).toContain("cranes/other");
    await crane("delete", at("cranes/other:2"));
    expect(await crane("ls", at("cranes/other"))).toBe("1");
    await crane("delete", `${at("cranes/other")}@${digest}`);
    expect((await fetch(`${berth.url}/v2/cranes/other/manifests/1`)).status).toBe(404);
  });

  test("crane append and mutate push what they make of an image", async () => {
    const first = ["--platform", "linux/amd64"];
    await succeed("tar", ["-cf", join(folder, "more.tar"), "-C", folder, "index/oci-layout"]);
    const more = ["--new_layer", join(folder, "more.tar"), "--new_tag", at("cranes/more:1")];
    await crane("append", ...first, "--base", at("cranes/app:1"), ...more);
    const { layers } = JSON.parse(await crane("manifest", at("cranes/more:1")));
    expect(layers).toHaveLength(smallLayers.length + 1);
    await crane("mutate", "--label", "mutated=yes", "--tag", at("cranes/more:2"), at("cranes/more:1"));
    expect(JSON.parse(await crane("config", at("cranes/more:2"))).config.Labels.mutated).toBe("yes");
  });
}

// Not in Debian's stable release, so nobody is asked to have it.
if (isAvailable("crane")) describe("crane", craneTests);
