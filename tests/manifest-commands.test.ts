import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "./fixtures/registries.ts";
import { newUser, putImage, type User } from "./fixtures/users.ts";

let folder: string;
let berth: RunningRegistry;
let user: User;
let name: string;
let index: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  berth = await startBerth();
  user = await newUser(folder);
  name = `${berth.host}/look/at`;
  index = await putImage(`${name}:latest`, { folder, platforms: ["linux/amd64", "linux/arm64"] });
});
afterAll(async () => {
  await berth?.stop();
  await rm(folder, { recursive: true });
});

const digestOf = (text: string) => `sha256:${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;

describe("berth digest", () => {
  test("digest prints what a tag points at, and the tag is latest if there is none", async () => {
    expect(await user.run("digest", name)).toEqual({ exitCode: 0, stdout: `${index}\n`, stderr: "" });
    expect((await user.run("digest", "--full-ref", name)).stdout).toBe(`${name}@${index}\n`);
    expect((await user.run("digest", `${name}@${index}`)).stdout).toBe(`${index}\n`);
    expect(JSON.parse((await user.run("digest", "--json", name)).stdout)).toMatchObject({
      reference: `${name}@${index}`,
      digest: index,
      mediaType: "application/vnd.oci.image.index.v1+json",
    });
  });

  test("digest --platform prints that of the image, which is the digest of what manifest prints", async () => {
    const { stdout } = await user.run("manifest", "--platform", "linux/arm64", name);
    expect((await user.run("digest", "--platform", "linux/arm64", name)).stdout).toBe(
      `${digestOf(stdout)}\n`,
    );
    const { exitCode, stderr } = await user.run("digest", "--platform", "linux/s390x", name);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("has no platform linux/s390x: it has linux/amd64, linux/arm64");
  });
});

describe("berth manifest", () => {
  test("manifest prints the bytes, and on a terminal a line break behind them", async () => {
    const { stdout } = await user.run("manifest", name);
    expect(digestOf(stdout)).toBe(index);
    expect((await user.runWith({ columns: 80 }, "manifest", name)).stdout).toBe(`${stdout}\n`);
  });

  test("manifest inspect prints it for people, with what describes it if that is wanted", async () => {
    const { stdout: bytes } = await user.run("manifest", name);
    const { stdout } = await user.run("manifest", "inspect", name);
    expect(stdout).toStartWith('{\n   "');
    expect(JSON.parse(stdout)).toEqual(JSON.parse(bytes));
    const verbose = JSON.parse((await user.run("manifest", "inspect", "-v", "--json", name)).stdout);
    expect(verbose).toMatchObject({ Ref: `${name}@${index}`, Descriptor: { digest: index } });
    expect(verbose.Manifest).toEqual(JSON.parse(bytes));
  });
});
