import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { digests } from "../../tests/fixtures/references.ts";
import { parseDigest } from "./digests.ts";
import { RegistryError } from "./errors.ts";
import { isIndex, maxManifestSize, parseDescriptor, parseManifest, referrerDescriptor } from "./manifests.ts";
import { mediaTypes } from "./media-types.ts";

const { ociManifest, ociIndex, dockerManifest, dockerList, ociConfig, ociLayerGzip } = mediaTypes;
const digest = parseDigest(`sha256:${"ab".repeat(32)}`);
const config = { mediaType: ociConfig, digest, size: 2 };
const layer = { mediaType: ociLayerGzip, digest, size: 0 };
const image = { schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] };
const child = { mediaType: ociManifest, digest, size: 7, platform: { architecture: "amd64", os: "linux" } };
const index = { schemaVersion: 2, mediaType: ociIndex, manifests: [child] };

function parse(value: unknown, contentType = "") {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return parseManifest(new TextEncoder().encode(text), contentType);
}

function errorOf(action: () => unknown): RegistryError {
  try {
    action();
  } catch (error) {
    if (error instanceof RegistryError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("parseManifest", () => {
  test("parseManifest gives config and layers when it is an image", () => {
    const manifest = parse({
      ...image,
      annotations: { a: "1" },
      artifactType: "application/x",
      subject: child,
    });
    expect(isIndex(manifest)).toBe(false);
    expect(manifest as object).toEqual({
      mediaType: ociManifest,
      artifactType: "application/x",
      subject: child,
      annotations: { a: "1" },
      config,
      layers: [layer],
    });
  });

  test("parseManifest gives manifests when it is an index", () => {
    const manifest = parse(index);
    expect(isIndex(manifest)).toBe(true);
    expect(manifest as object).toEqual({ mediaType: ociIndex, manifests: [child] });
  });

  const types: [value: object, contentType: string, mediaType: string][] = [
    [image, "", ociManifest],
    [image, ociManifest, ociManifest],
    [image, `${ociManifest}; charset=utf-8`, ociManifest],
    [image, ociManifest.toUpperCase(), ociManifest],
    [image, "application/json", ociManifest],
    [image, "application/octet-stream", ociManifest],
    [{ ...image, mediaType: undefined }, "", ociManifest],
    [{ ...image, mediaType: "" }, "application/json", ociManifest],
    [{ ...image, mediaType: undefined }, dockerManifest, dockerManifest],
    [{ ...image, mediaType: dockerManifest }, "", dockerManifest],
    [{ ...index, mediaType: undefined }, "", ociIndex],
    [{ ...index, mediaType: undefined }, dockerList, dockerList],
    [{ ...index, mediaType: dockerList }, dockerList, dockerList],
  ];
  test.each(types)(
    "parseManifest decides the type when %j is sent as %j",
    (value, contentType, mediaType) => {
      expect(parse(value, contentType).mediaType).toBe(mediaType);
    },
  );

  test("parseManifest takes null, as Go writes what is empty, for missing", () => {
    expect(
      parse({ ...image, layers: null, annotations: null, subject: null, manifests: null }) as object,
    ).toEqual({
      mediaType: ociManifest,
      config,
      layers: [],
    });
    expect(parse({ ...index, manifests: null, config: null }) as object).toEqual({
      mediaType: ociIndex,
      manifests: [],
    });
    expect(parse({ ...image, layers: undefined })).toMatchObject({ layers: [] });
  });

  const faults: [value: unknown, contentType: string, message: string][] = [
    ["", "", "invalid manifest: it is not JSON"],
    ["{", "", "invalid manifest: it is not JSON"],
    ["[]", "", "the manifest is a list, expected an object"],
    ["null", "", "the manifest is null, expected an object"],
    ['"manifest"', "", 'the manifest is "manifest", expected an object'],
    ['{"schemaVersion":2,"schemaVersion":2}', "", 'the key "schemaVersion" stands twice'],
    ["[".repeat(100), "", "nested deeper than 64 levels"],
    ["{}", "", "schemaVersion is missing, expected 2"],
    [{ ...image, schemaVersion: "2" }, "", 'schemaVersion is "2", expected 2'],
    [{ ...image, schemaVersion: 3 }, "", "schemaVersion is 3, expected 2"],
    [{ ...image, schemaVersion: {} }, "", "schemaVersion is an object, expected 2"],
    [{ ...image, mediaType: 1 }, "", "mediaType is 1, expected a string"],
    [
      image,
      dockerManifest,
      `its mediaType is "${ociManifest}", but it was sent with Content-Type "${dockerManifest}"`,
    ],
    [image, ociIndex, "but it was sent with Content-Type"],
    [image, "text/plain", 'media type "text/plain" is not one of a manifest: expected application/vnd.oci'],
    [{ ...image, mediaType: ociConfig }, "", `media type "${ociConfig}" is not one of a manifest`],
    [{ ...image, mediaType: "constructor" }, "", 'media type "constructor" is not one of a manifest'],
    [{ ...image, manifests: [] }, "", `it has "manifests", which "${ociManifest}" does not have`],
    [{ ...index, layers: [] }, "", `it has "layers", which "${ociIndex}" does not have`],
    [{ ...index, config }, "", `it has "config", which "${ociIndex}" does not have`],
    [{ ...image, config: undefined }, "", "config is missing, expected an object"],
    [{ ...image, config: null }, "", "config is null, expected an object"],
    [{ ...image, config: [] }, "", "config is a list, expected an object"],
    [{ ...image, layers: {} }, "", "layers is an object, expected a list"],
    [{ ...image, layers: [layer, null] }, "", "layers[1] is null, expected an object"],
    [{ ...image, layers: [{ ...layer, digest: "x" }] }, "", 'layers[0].digest: "x" is not a digest'],
    [{ ...index, manifests: undefined }, "", "manifests is missing"],
    [{ ...index, manifests: "all" }, "", 'manifests is "all", expected a list'],
    [{ ...image, subject: "x" }, "", 'subject is "x", expected an object'],
    [{ ...image, annotations: { a: 1 } }, "", 'annotations["a"] is 1, expected a string'],
    [{ ...image, annotations: [] }, "", "annotations is a list, expected an object"],
    [{ ...image, artifactType: 1 }, "", "artifactType is 1, expected a string"],
    [{ ...image, Layers: [] }, "", 'the manifest has the key "Layers", which some clients read as "layers"'],
    [{ ...image, "layer\u017f": [] }, "", 'which some clients read as "layers"'],
    [{ ...image, CONFIG: null }, "", 'which some clients read as "config"'],
    [{ ...index, manifests: [{ ...child, Digest: digest }] }, "", 'manifests[0] has the key "Digest"'],
  ];
  test.each(faults)("parseManifest refuses %j sent as %j", (value, contentType, message) => {
    const error = errorOf(() => parse(value, contentType));
    expect(error.code).toBe("MANIFEST_INVALID");
    expect(error.message).toStartWith("invalid manifest: ");
    expect(error.message).toContain(message);
  });

  test.each([
    ["a type of schema 1", image, mediaTypes.dockerSchema1Signed],
    ["schemaVersion 1", { schemaVersion: 1, fsLayers: [] }, ""],
  ])("parseManifest says what to do when there is %s", (_, value, contentType) => {
    const error = errorOf(() => parse(value, contentType));
    expect(error.code).toBe("MANIFEST_INVALID");
    expect(error.message).toContain("push it again");
  });

  test("parseManifest counts bytes when a manifest is large", () => {
    const text = JSON.stringify(image);
    expect(parse(text + " ".repeat(maxManifestSize - text.length)).mediaType).toBe(ociManifest);
    const error = errorOf(() => parse(text + " ".repeat(maxManifestSize - text.length + 1)));
    expect(error.code).toBe("MANIFEST_TOO_LARGE");
    expect(error.message).toContain("8388609 bytes, the most is 8388608");
  });

  test("parseManifest keeps messages short when what is wrong is long", () => {
    const long = "x".repeat(1_000_000);
    const values = [
      { ...image, schemaVersion: long },
      { ...image, mediaType: long },
      { ...image, [long]: 1, config: { ...config, size: long } },
      { ...image, config: { ...config, digest: long } },
      { ...image, annotations: { [long]: 1 } },
      long,
    ];
    for (const value of values) expect(errorOf(() => parse(value)).message.length).toBeLessThan(700);
  });

  test("parseManifest ends with a manifest or MANIFEST_INVALID when fields have any value", () => {
    const keys = fc.constantFrom(
      ...Object.keys({ ...image, ...index, subject: 0, annotations: 0, artifactType: 0 }),
    );
    const values = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom<unknown>(config, [layer], [child], 2, {}),
    );
    fc.assert(
      fc.property(fc.constantFrom<object>(image, index), fc.dictionary(keys, values), (base, changes) => {
        try {
          const manifest = parse({ ...base, ...changes });
          expect<string[]>([ociManifest, ociIndex]).toContain(manifest.mediaType);
        } catch (error) {
          expect(error).toMatchObject({ name: "RegistryError", code: "MANIFEST_INVALID" });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("parseDescriptor", () => {
  const annotations = fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true });
  const words = fc.string({ minLength: 1 });
  const platforms = fc.record(
    { architecture: words, os: words, variant: words, "os.version": words, "os.features": fc.array(words) },
    { requiredKeys: ["architecture", "os"], noNullPrototype: true },
  );
  const descriptors = fc.record(
    {
      mediaType: words,
      digest: digests,
      size: fc.maxSafeNat(),
      urls: fc.array(fc.webUrl()),
      annotations,
      data: fc.base64String({ minLength: 4 }),
      artifactType: words,
      platform: platforms,
      "x-other": fc.jsonValue(),
    },
    { requiredKeys: ["mediaType", "digest", "size"], noNullPrototype: true },
  );

  test("parseDescriptor gives the same back when it is well-formed, also what it does not know", () => {
    fc.assert(
      fc.property(descriptors, (descriptor) => {
        expect(parseDescriptor(descriptor, "config") as object).toEqual(descriptor);
      }),
    );
  });

  test("parseDescriptor leaves out what is null and fills in a platform's missing names", () => {
    const nothing = { urls: null, annotations: null, data: null, artifactType: null };
    expect(parseDescriptor({ ...layer, ...nothing, platform: null }, "layer") as object).toEqual(layer);
    expect(parseDescriptor({ ...layer, platform: { os: "linux" } }, "layer").platform).toEqual({
      architecture: "",
      os: "linux",
    });
  });

  test("parseDescriptor keeps __proto__ as a plain key when a descriptor has it", () => {
    const value: unknown = JSON.parse(`{"__proto__":{"size":1},${JSON.stringify(layer).slice(1)}`);
    const descriptor = parseDescriptor(value, "layer");
    expect(Object.getPrototypeOf(descriptor)).toBe(Object.prototype);
    expect(Object.hasOwn(descriptor, "__proto__")).toBe(true);
    expect(descriptor.size).toBe(0);
  });

  const faults: [change: object, message: string][] = [
    [{ mediaType: undefined }, "layer.mediaType is missing, expected a media type"],
    [{ mediaType: "" }, 'layer.mediaType is "", expected a media type'],
    [{ digest: undefined }, "layer.digest is missing, expected a digest"],
    [{ digest: 7 }, "layer.digest is 7, expected a digest"],
    [{ digest: `md5:${"0".repeat(32)}` }, 'layer.digest: digest algorithm "md5" is not supported'],
    [{ size: undefined }, "layer.size is missing, expected a whole number of bytes"],
    [{ size: "1" }, 'layer.size is "1", expected a whole number of bytes'],
    [{ size: -1 }, "layer.size is -1"],
    [{ size: 1.5 }, "layer.size is 1.5"],
    [{ size: 2 ** 53 }, "layer.size is 9007199254740992"],
    [{ size: null }, "layer.size is null"],
    [{ urls: "http://a" }, 'layer.urls is "http://a", expected a list of strings'],
    [{ urls: ["a", 1] }, "layer.urls[1] is 1, expected a string"],
    [{ annotations: { a: null } }, 'layer.annotations["a"] is null, expected a string'],
    [{ data: 1 }, "layer.data is 1, expected a string"],
    [{ artifactType: [] }, "layer.artifactType is a list, expected a string"],
    [{ platform: "linux" }, 'layer.platform is "linux", expected an object'],
    [{ platform: { os: 1 } }, "layer.platform.os is 1, expected a string"],
    [{ platform: { "os.features": [1] } }, 'layer.platform["os.features"][0] is 1, expected a string'],
    [{ Size: 1 }, 'layer has the key "Size", which some clients read as "size"'],
  ];
  test.each(faults)("parseDescriptor refuses %j", (change, message) => {
    const error = errorOf(() => parseDescriptor({ ...layer, ...change }, "layer"));
    expect(error.code).toBe("MANIFEST_INVALID");
    expect(error.message).toContain(message);
  });
});

describe("referrerDescriptor", () => {
  const bare = { mediaType: ociManifest, digest, size: 9 };

  test("referrerDescriptor takes the type from the manifest when it has one", () => {
    const manifest = parse({ ...image, artifactType: "application/x", annotations: { a: "1" } });
    expect(referrerDescriptor(manifest, digest, 9)).toEqual({
      ...bare,
      artifactType: "application/x",
      annotations: { a: "1" },
    });
  });

  test("referrerDescriptor takes the type from the config when an image has none", () => {
    expect(referrerDescriptor(parse(image), digest, 9)).toEqual({ ...bare, artifactType: ociConfig });
    expect(referrerDescriptor(parse({ ...image, artifactType: "" }), digest, 9).artifactType).toBe(ociConfig);
  });

  test("referrerDescriptor leaves the type out when an index has none", () => {
    expect(referrerDescriptor(parse(index), digest, 9)).toEqual({ ...bare, mediaType: ociIndex });
  });
});
