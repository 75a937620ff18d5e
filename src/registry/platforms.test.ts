import { describe, expect, test } from "bun:test";
import type { Descriptor, Platform } from "../oci/descriptors.ts";
import { isIndex, parseManifest } from "../oci/manifests.ts";
import { mediaTypes } from "../oci/media-types.ts";
import { bytesFor, describeBytes, indexBytes, textOf } from "./contract/fixtures.ts";
import { digestOf } from "./hash.ts";
import { choosePlatforms, findPlatform, formatPlatform } from "./platforms.ts";

function platform(text: string): Platform {
  const [os = "", architecture = "", variant] = text.split("/");
  return { os, architecture, ...(variant ? { variant } : {}) };
}

const names = ["linux/arm/v6", "linux/arm/v7", "linux/arm64/v8", "linux/amd64", "windows/amd64"];

describe("findPlatform", () => {
  const offered = names.map(platform);
  const find = (text: string) => {
    const at = findPlatform(offered, platform(text));
    return at === undefined ? undefined : names[at];
  };

  test("finds what is equal, and what everybody means by a name without a variant", () => {
    expect(find("linux/arm/v6")).toBe("linux/arm/v6");
    expect(find("linux/arm")).toBe("linux/arm/v7");
    expect(find("linux/arm64")).toBe("linux/arm64/v8");
    expect(find("linux/amd64/v1")).toBe("linux/amd64");
    expect(find("windows/amd64")).toBe("windows/amd64");
  });

  test("finds any variant when none is named and the usual one is not there", () => {
    expect(findPlatform([platform("linux/arm/v5")], platform("linux/arm"))).toBe(0);
  });

  test("finds nothing when os, architecture or a named variant are others", () => {
    for (const text of ["linux/arm/v5", "linux/s390x", "freebsd/amd64", "linux/amd64/v3"]) {
      expect(find(text)).toBeUndefined();
    }
    expect(findPlatform([undefined], platform("linux/amd64"))).toBeUndefined();
  });

  test("minds version and features of the system when they are wanted", () => {
    const builds = ["10.0.17763.1", "10.0.20348.5"].map((version) => ({
      ...platform("windows/amd64"),
      "os.version": version,
      "os.features": ["win32k"],
    }));
    const wanted = platform("windows/amd64");
    expect(findPlatform(builds, { ...wanted, "os.version": "10.0.20348" })).toBe(1);
    expect(findPlatform(builds, { ...wanted, "os.version": "10.0.2" })).toBeUndefined();
    expect(findPlatform(builds, { ...wanted, "os.features": ["win32k"] })).toBe(0);
    expect(findPlatform(builds, { ...wanted, "os.features": ["other"] })).toBeUndefined();
  });
});

test("formatPlatform writes a platform as people do", () => {
  expect(names.map((name) => formatPlatform(platform(name)))).toEqual(names);
});

describe("choosePlatforms", () => {
  const children: Descriptor[] = names.map((name, at) => ({
    ...describeBytes(bytesFor(at), mediaTypes.ociManifest),
    platform: platform(name),
  }));
  const attestation: Descriptor = {
    ...describeBytes(bytesFor(50), mediaTypes.ociManifest),
    platform: platform("unknown/unknown"),
    annotations: {
      "vnd.docker.reference.type": "attestation-manifest",
      "vnd.docker.reference.digest": children[3]?.digest ?? "",
    },
  };
  const more = { annotations: { note: "kept" }, "org.example.unknown": [1] };
  const bytes = indexBytes([...children, attestation], more);
  const descriptor = describeBytes(bytes, mediaTypes.ociIndex);
  const index = parseManifest(bytes, "");
  const choose = (...texts: string[]) => {
    if (!isIndex(index)) throw new Error("it is an index");
    return choosePlatforms({ descriptor, bytes }, index, texts.map(platform));
  };

  test("gives the child when one platform is wanted, however often", () => {
    const [, , , child] = children;
    expect(choose("linux/amd64")).toEqual({ kind: "one", child: child ?? expect.unreachable() });
    expect(choose("linux/amd64", "linux/amd64/v1")).toEqual({
      kind: "one",
      child: child ?? expect.unreachable(),
    });
  });

  test("makes an index of the wanted ones, with what attests them and all else kept", () => {
    const choice = choose("linux/amd64", "linux/arm/v6");
    if (choice.kind !== "some") throw new Error(`chose ${choice.kind}`);
    const { manifests, ...rest } = JSON.parse(textOf(choice.index.bytes));
    expect(manifests).toEqual([children[0], children[3], attestation]);
    expect(rest).toEqual({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, ...more });
    expect(choice.index.descriptor).toEqual(describeBytes(choice.index.bytes, mediaTypes.ociIndex));
    expect(choose("linux/arm/v6", "linux/amd64")).toEqual(choice);
    const [, child] = children;
    const other = choose("linux/arm/v6", "linux/arm/v7");
    expect(other.kind === "some" && textOf(other.index.bytes)).not.toContain(attestation.digest);
    expect(other.kind === "some" && textOf(other.index.bytes)).toContain(child?.digest ?? "");
  });

  test("keeps the digest's algorithm when it makes an index", () => {
    if (!isIndex(index)) throw new Error("it is an index");
    const stored = { descriptor: { ...descriptor, digest: digestOf(bytes, "sha512") }, bytes };
    const choice = choosePlatforms(stored, index, ["linux/arm/v6", "linux/arm/v7"].map(platform));
    expect(choice.kind === "some" && choice.index.descriptor.digest).toStartWith("sha512:");
  });

  test("keeps the index when all its platforms are wanted", () => {
    expect(choose(...names)).toEqual({ kind: "all" });
  });

  test("names the platforms that are there when one is not", () => {
    expect(() => choose("linux/amd64", "linux/s390x")).toThrow(
      `manifest ${descriptor.digest} has no platform linux/s390x: it has ${names.join(", ")}`,
    );
  });
});
