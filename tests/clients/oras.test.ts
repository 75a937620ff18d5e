import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { incompressibleBytes } from "../fixtures/images.ts";
import { makeTemporaryFolder, succeed } from "../fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { isAvailable, programPath } from "../programs.ts";

setDefaultTimeout(60_000);

function orasTests(): void {
  let berth: RunningRegistry;
  let folder: string;
  const file = incompressibleBytes("oras", 100_000);

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    berth = await startBerth();
    await Bun.write(join(folder, "data.bin"), file);
    await Bun.write(join(folder, "sbom.json"), "{}");
  });

  afterAll(async () => {
    await berth?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const at = (name: string) => `${berth.host}/${name}`;
  const oras = (...args: readonly string[]) =>
    succeed(programPath("oras"), args, { cwd: folder, env: { HOME: folder, DOCKER_CONFIG: undefined } });
  const push = (name: string) =>
    oras("push", "--plain-http", "--artifact-type", "application/vnd.berth.example", at(name), "data.bin");

  test("oras pull brings the file that oras push sent", async () => {
    await push("artifacts/file:1");
    await mkdir(join(folder, "pulled"));
    await oras("pull", "--plain-http", "--output", join(folder, "pulled"), at("artifacts/file:1"));
    expect(await Bun.file(join(folder, "pulled", "data.bin")).bytes()).toEqual(file);
  });

  test("oras discover lists what oras attach pushed, by its type", async () => {
    await push("artifacts/subject:1");
    for (const type of ["application/vnd.example.sbom", "application/vnd.example.scan"]) {
      await oras("attach", "--plain-http", "--artifact-type", type, at("artifacts/subject:1"), "sbom.json");
    }
    const discover = async (...args: readonly string[]) => {
      const found = await oras(
        "discover",
        "--plain-http",
        "--format",
        "json",
        ...args,
        at("artifacts/subject:1"),
      );
      const { referrers = [], manifests = [] } = JSON.parse(found); // newer, and older versions of oras
      return [...referrers, ...manifests].map(({ artifactType }) => artifactType).sort();
    };
    expect(await discover()).toEqual(["application/vnd.example.sbom", "application/vnd.example.scan"]);
    const one = "application/vnd.example.scan";
    expect(await discover("--artifact-type", one)).toEqual([one]);
  });

  test("oras cp --recursive takes the referrers along", async () => {
    await push("artifacts/origin:1");
    const type = "application/vnd.example.sbom";
    await oras("attach", "--plain-http", "--artifact-type", type, at("artifacts/origin:1"), "sbom.json");
    const plain = ["--from-plain-http", "--to-plain-http"];
    await oras("cp", "--recursive", ...plain, at("artifacts/origin:1"), at("artifacts/target:1"));
    const digest = await oras("resolve", "--plain-http", at("artifacts/target:1"));
    const answer = await fetch(`${berth.url}/v2/artifacts/target/referrers/${digest}`);
    const { manifests } = (await answer.json()) as { manifests: { artifactType: string }[] }; // the API's index
    expect(manifests.map(({ artifactType }) => artifactType)).toEqual([type]);
  });

  test("oras repo, tag, blob and manifest commands agree with each other", async () => {
    await push("artifacts/tags:1");
    await oras("tag", "--plain-http", at("artifacts/tags:1"), "2", "3");
    expect(await oras("repo", "tags", "--plain-http", at("artifacts/tags"))).toBe("1\n2\n3");
    expect((await oras("repo", "ls", "--plain-http", berth.host)).split("\n")).toContain("artifacts/tags");
    const { layers } = JSON.parse(await oras("manifest", "fetch", "--plain-http", at("artifacts/tags:1")));
    const blob = `${at("artifacts/tags")}@${layers[0].digest}`;
    await oras("blob", "fetch", "--plain-http", "--output", join(folder, "blob"), blob);
    expect(await Bun.file(join(folder, "blob")).bytes()).toEqual(file);
    await oras("manifest", "delete", "--plain-http", "--force", at("artifacts/tags:1"));
    expect((await fetch(`${berth.url}/v2/artifacts/tags/manifests/2`)).status).toBe(404);
  });
}

// Not in Debian's stable release, so nobody is asked to have it.
if (isAvailable("oras")) describe("oras", orasTests);
