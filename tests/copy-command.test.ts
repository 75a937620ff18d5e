import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir, rm } from "node:fs/promises";
import { createClient } from "../src/client/client.ts";
import { parseReference } from "../src/oci/references.ts";
import { makeTemporaryFolder, succeed } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "./fixtures/registries.ts";
import { layerSizes, newUser, putImage, type User } from "./fixtures/users.ts";
import { isAvailable, programPath } from "./programs.ts";

setDefaultTimeout(60_000);

const platforms = ["linux/amd64", "linux/arm64", "linux/s390x"];
let folder: string;
let from: RunningRegistry;
let to: RunningRegistry;
let source: string;
let index: string;
let user: User;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  [from, to] = await Promise.all([startBerth(), startBerth()]);
  source = `${from.host}/copy/source`;
  index = await putImage(`${source}:1`, { folder, platforms });
  await putImage(`${source}:2`, { folder, platforms: ["linux/amd64"] });
  user = await newUser(folder);
});
afterAll(async () => {
  await Promise.all([from?.stop(), to?.stop()]);
  await rm(folder, { recursive: true });
});

async function digestAt(text: string): Promise<string | undefined> {
  const { stdout } = await user.run("digest", text);
  return stdout.trim() || undefined;
}

describe("berth copy between registries", () => {
  test("copy keeps digest and tag, and moves nothing a second time", async () => {
    const target = `${to.host}/copy/whole`;
    const first = await user.run("copy", `${source}:1`, target);
    expect(first).toMatchObject({ exitCode: 0, stderr: "" });
    expect(first.stdout.match(/: Copied$/gm)).toHaveLength(platforms.length * layerSizes.length);
    expect(first.stdout).toEndWith(`${target}:1: digest: ${index} size: ${await sizeOf(`${target}:1`)}\n`);
    expect(await digestAt(`${target}:1`)).toBe(index);
    const again = await user.run("copy", "--json", `${source}:1`, target);
    expect(JSON.parse(again.stdout.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({
      state: "copied",
      destination: `${target}:1`,
      image: { digest: index },
      tags: ["1"],
      bytes: 0,
    });
  });

  const sizeOf = async (reference: string): Promise<number> =>
    JSON.parse((await user.run("digest", "--json", reference)).stdout).size;

  test("copy takes another tag when the destination has one, and prints the digest alone when it is quiet", async () => {
    const { stdout } = await user.run("copy", "-q", `${source}:1`, `${to.host}/copy/renamed:stable`);
    expect(stdout).toBe(`${index}\n`);
    expect(await digestAt(`${to.host}/copy/renamed:stable`)).toBe(index);
    expect(await digestAt(`${to.host}/copy/renamed:1`)).toBeUndefined();
  });

  test("copy -a copies every tag", async () => {
    const target = `${to.host}/copy/all`;
    await user.run("copy", "-a", source, target);
    expect((await user.run("tags", "ls", "-q", target)).stdout).toBe("1\n2\n");
    const refused = await user.run("copy", "-a", source, `${target}:1`);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain("--all-tags wants repositories");
  });

  test("copy --platform chooses images of an index", async () => {
    const target = `${to.host}/copy/chosen`;
    await user.run("copy", "--platform", "linux/arm64", `${source}:1`, `${target}:one`);
    const one = JSON.parse((await user.run("manifest", `${target}:one`)).stdout);
    expect(one.layers).toHaveLength(layerSizes.length);
    const two = ["--platform", "linux/arm64", "--platform", "linux/s390x"];
    await user.run("copy", ...two, `${source}:1`, `${target}:two`);
    const chosen = JSON.parse((await user.run("manifest", `${target}:two`)).stdout);
    expect(
      chosen.manifests.map(({ platform }: { platform: { architecture: string } }) => platform.architecture),
    ).toEqual(["arm64", "s390x"]);
  });

  test("copy --referrers copies what refers to the image", async () => {
    const name = `${from.host}/copy/signed`;
    const digest = await putImage(`${name}:1`, { folder });
    const { registry, repository } = parseReference(name);
    const client = createClient(registry);
    const { bytes, descriptor } = await client.getTag(repository, parseReference(`${name}:1`).tag ?? never());
    const { config, layers } = JSON.parse(new TextDecoder().decode(bytes));
    const artifactType = "application/vnd.example.sbom";
    const { mediaType, size } = descriptor;
    const signature = {
      schemaVersion: 2,
      mediaType,
      artifactType,
      config,
      layers,
      subject: { mediaType, digest, size },
    };
    await client.putManifest(repository, {
      bytes: new TextEncoder().encode(JSON.stringify(signature)),
      mediaType,
      tags: [],
    });
    client.close();
    const referrersAt = async (repository: string) => {
      const answer = await fetch(`${to.url}/v2/${repository}/referrers/${digest}`);
      const { manifests } = (await answer.json()) as { manifests: { artifactType: string }[] }; // an index, by the spec
      return manifests.map((referrer) => referrer.artifactType);
    };
    await user.run("copy", `${name}:1`, `${to.host}/copy/bare`);
    expect(await referrersAt("copy/bare")).toEqual([]);
    await user.run("copy", "--referrers", `${name}:1`, `${to.host}/copy/referred`);
    expect(await referrersAt("copy/referred")).toEqual([artifactType]);
  });

  test.each([
    [["copy", "a"], "DESTINATION is missing"],
    [["copy", "localhost:5000/B", "x"], "it must be lower case"],
    [["copy", "a", `b@sha256:${"0".repeat(64)}`], "the destination has a digest"],
    [["copy", "--platform", "arm", "a", "b"], "invalid platform"],
    [["copy", "a", "oci:"], "names no file"],
  ])("copy refuses %p as wrong usage", async (args, message) => {
    const { exitCode, stderr } = await user.run(...args.map((arg) => (arg === "a" ? `${source}:1` : arg)));
    expect(exitCode).toBe(2);
    expect(stderr).toContain(message);
  });
});

function never(): never {
  throw new Error("it has a tag");
}

describe("berth copy with layouts and archives", () => {
  const cases = [
    "oci:layout",
    "oci:layout2:1",
    "oci:layout3:example.com/a/b:1",
    "oci-archive:a.tar",
    "local:copied:1",
  ];
  test.each(cases)("copy brings an index to %s and back again", async (place) => {
    const there = await user.run("copy", `${source}:1`, place);
    expect(there).toMatchObject({ exitCode: 0, stderr: "" });
    const repository = `${to.host}/copy/back-${place.replace(/\W+/g, "-")}`;
    const back = await user.run("copy", place, `${repository}:1`);
    expect(back).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await digestAt(`${repository}:1`)).toBe(index);
  });

  test("copy brings one platform to a docker archive and back again, with the same layers", async () => {
    await user.run("copy", "--platform", "linux/arm64", `${source}:1`, "docker-archive:d.tar:team/app:3");
    await user.run("copy", "docker-archive:d.tar", "local:from-docker:1");
    const [entry] = (await user.images.entries()).filter(({ tag }) => tag === "1").slice(-1);
    expect(entry?.repository as string).toBe("library/from-docker");
    if (isAvailable("skopeo")) {
      const inspected = await succeed(
        programPath("skopeo"),
        ["inspect", "--config", "docker-archive:d.tar:team/app:3"],
        {
          cwd: user.home,
        },
      );
      expect(JSON.parse(inspected)).toMatchObject({ architecture: "arm64" });
    }
  });

  test("copy leaves nothing beside an archive, which is replaced as a whole", async () => {
    await user.run("copy", `${source}:1`, "oci-archive:whole.tar");
    await user.run("copy", `${source}:2`, "oci-archive:whole.tar");
    expect((await readdir(user.home)).filter((name) => name.includes("whole"))).toEqual(["whole.tar"]);
    const { stdout } = await user.run("copy", "-q", "oci-archive:whole.tar", "local:whole");
    expect(stdout.trim()).toBe((await digestAt(`${source}:2`)) ?? "");
  });

  test("copy says which images there are when a layout has several and none is named", async () => {
    await user.run("copy", "-a", source, "oci:several");
    const { exitCode, stderr } = await user.run("copy", "oci:several", "local:x");
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      "berth: there are 2 images in oci:several: name one, such as oci:several:1, oci:several:2\n",
    );
  });

  test.each([
    ["oci:nothing", "there is no image in oci:nothing"],
    ["oci-archive:nothing.tar", "nothing.tar: there is no such file or folder"],
    ["local:nothing", "has no repository"],
  ])("copy says what is wrong with the source %s", async (place, message) => {
    const { exitCode, stdout, stderr } = await user.run("copy", place, `${to.host}/copy/nothing`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toContain(message);
    expect(stderr.split("\n")).toHaveLength(2);
  });
});
