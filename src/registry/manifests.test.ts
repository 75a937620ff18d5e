import { expect, test } from "bun:test";
import { parseManifest } from "../oci/manifests.ts";
import { mediaTypes } from "../oci/media-types.ts";
import { bytesFor, describeBytes, imageBytes, indexBytes, repositoryA } from "./contract/fixtures.ts";
import { missingContent, needsOf } from "./manifests.ts";

const config = describeBytes(bytesFor(1), mediaTypes.ociConfig);
const layer = describeBytes(bytesFor(2), mediaTypes.ociLayerTar);
const foreign = describeBytes(bytesFor(3), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
const image = describeBytes(bytesFor(4), mediaTypes.ociManifest);

test("needsOf gives config and layers, without foreign ones and the subject, when it is an image", () => {
  const bytes = imageBytes(config, [layer, foreign, layer], { subject: image });
  expect(needsOf(parseManifest(bytes, ""))).toEqual([
    { descriptor: config, kind: "blob" },
    { descriptor: layer, kind: "blob" },
    { descriptor: layer, kind: "blob" },
  ]);
});

test("needsOf gives the children when it is an index, blobs among them", () => {
  expect(needsOf(parseManifest(indexBytes([image, layer]), ""))).toEqual([
    { descriptor: image, kind: "manifest" },
    { descriptor: layer, kind: "either" },
  ]);
});

test("missingContent names the first three in its message and all in its detail", () => {
  const digests = [1, 2, 3, 4, 5].map((seed) => describeBytes(bytesFor(seed)).digest);
  const error = missingContent(repositoryA, digests);
  expect(error.message).toEndWith(`names: ${digests.slice(0, 3).join(", ")} and 2 more: push that first`);
  expect(error.detail).toEqual(digests.map((digest) => ({ digest })));
  expect(missingContent(repositoryA, digests.slice(0, 1)).message).toEndWith(
    `${digests[0]}: push that first`,
  );
});
