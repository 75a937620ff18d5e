import { describe, expect, test } from "bun:test";
import {
  bareMediaType,
  isForeignLayerType,
  isImageManifestType,
  isIndexType,
  isManifestType,
  isSchema1Type,
  mediaTypes,
} from "./media-types.ts";

function chosenBy(is: (mediaType: string) => boolean): string[] {
  return Object.entries(mediaTypes).flatMap(([name, mediaType]) => (is(mediaType) ? [name] : []));
}

describe("kinds of media types", () => {
  test("each kind has the types that it should have", () => {
    expect(chosenBy(isImageManifestType)).toEqual(["ociManifest", "dockerManifest"]);
    expect(chosenBy(isIndexType)).toEqual(["ociIndex", "dockerList"]);
    expect(chosenBy(isManifestType)).toEqual(["ociManifest", "ociIndex", "dockerManifest", "dockerList"]);
    expect(chosenBy(isSchema1Type)).toEqual(["dockerSchema1", "dockerSchema1Signed"]);
    expect(chosenBy(isForeignLayerType)).toEqual([]);
  });

  test.each([
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  ])("isForeignLayerType is true when the type is %s", (mediaType) => {
    expect(isForeignLayerType(mediaType)).toBe(true);
  });
});

describe("bareMediaType", () => {
  test.each([
    ["", ""],
    [";", ""],
    ["application/json", "application/json"],
    [" Application/JSON ; charset=utf-8; q=1", "application/json"],
    ["application/json;", "application/json"],
  ])("bareMediaType of %j is %j", (contentType, bare) => {
    expect(bareMediaType(contentType)).toBe(bare);
  });
});
