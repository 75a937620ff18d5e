import { describe, expect, test } from "bun:test";
import type { LayoutEntry } from "../../layout/index.ts";
import type { Digest } from "../../oci/digests.ts";
import { isRegistryError } from "../../oci/errors.ts";
import { mediaTypes } from "../../oci/media-types.ts";
import { familiarReference, parseReference } from "../../oci/references.ts";
import { describeBytes, jsonBytes } from "../../registry/contract/fixtures.ts";
import { UsageError } from "../command.ts";
import { referenceOf, selectImages } from "./filters.ts";
import { historyFields, historyOf } from "./history.ts";
import { parseImageConfig } from "./image-config.ts";
import type { LocalImage } from "./local-image.ts";
import { planRemoval } from "./removal.ts";
import { resolveImage } from "./resolve-image.ts";
import { rowFields, rowsOf } from "./rows.ts";

/** An image of a config, under names; one that ends in `@` has no tag there. */
function imageOf(config: object, ...names: readonly string[]): LocalImage {
  const bytes = jsonBytes(config);
  const configBlob = describeBytes(bytes, mediaTypes.ociConfig);
  const layers = [10, 20].map((size) => ({ ...describeBytes(bytes, mediaTypes.ociLayerTar), size }));
  const manifest = { mediaType: mediaTypes.ociManifest, config: configBlob, layers };
  const descriptor = describeBytes(jsonBytes(manifest), mediaTypes.ociManifest);
  return {
    id: configBlob.digest,
    entries: names.map((name) => entryOf(name, descriptor)),
    isImage: true,
    variant: { descriptor, manifest, config: parseImageConfig(bytes, "x") },
    size: 30,
  };
}

function entryOf(name: string, descriptor: LayoutEntry["descriptor"]): LayoutEntry {
  const { registry, repository, tag } = parseReference(name.replace(/@$/, ""));
  const annotations = { "io.containerd.image.name": name };
  return { registry, repository, ...(tag ? { tag } : {}), descriptor: { ...descriptor, annotations } };
}

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds)).toISOString();
const alpha = imageOf(
  { created: at(1), config: { Labels: { a: "1", b: "x=y" } } },
  "alpha:1",
  "alpha:2",
  "team/alpha:1",
);
const beta = imageOf({ created: at(2), config: { Labels: { a: "2" } } }, "beta:1");
const lost = imageOf({ created: at(3) }, "beta@");
const nameless: LocalImage = {
  ...imageOf({ created: at(4) }, "x@"),
  entries: imageOf({ created: at(4) }, "localhost/layout@").entries.map(
    ({ descriptor: { annotations, ...descriptor }, ...entry }) => ({ ...entry, descriptor }),
  ),
};
const undated = imageOf({ config: null }, "undated:1");
const artifact: LocalImage = {
  ...imageOf({ kind: "signature" }, "alpha@"),
  isImage: false,
  variant: undefined,
};
const images = [alpha, beta, lost, nameless, undated, artifact];

const shown = (...filters: string[]) =>
  rowsOf(selectImages(images, { filters, all: false }), false).map(
    ({ repository, tag }) => `${repository}:${tag}`,
  );

describe("selectImages", () => {
  test("selectImages puts the newest first and leaves out what is no image", () => {
    expect(shown()).toEqual([
      "<none>:<none>",
      "beta:<none>",
      "beta:1",
      "alpha:1",
      "alpha:2",
      "team/alpha:1",
      "undated:1",
    ]);
    const all = selectImages(images, { filters: [], all: true });
    expect(all.map(({ image }) => image)).toContain(artifact);
  });

  const cases: Record<string, readonly [readonly string[], readonly string[]]> = {
    "the name fits": [["reference=alpha"], ["alpha:1", "alpha:2"]],
    "the name with its tag fits": [["reference=alpha:2"], ["alpha:2"]],
    "any of several patterns fits": [
      ["reference=alpha:2", "reference=beta"],
      ["beta:<none>", "beta:1", "alpha:2"],
    ],
    "the label has the value": [["label=a=2"], ["beta:1"]],
    "the label's value has an equals sign": [["label=b=x=y"], ["alpha:1", "alpha:2", "team/alpha:1"]],
    "all labels are there": [
      ["label=a", "label=b"],
      ["alpha:1", "alpha:2", "team/alpha:1"],
    ],
    "it was made before": [["before=beta:1"], ["alpha:1", "alpha:2", "team/alpha:1", "undated:1"]],
    "it was made since": [["since=beta:1"], ["<none>:<none>", "beta:<none>"]],
    "it has lost its tag": [["dangling=true"], ["<none>:<none>", "beta:<none>"]],
    "it has a name": [["dangling=0", "label=a=2"], ["beta:1"]],
    "kinds of filters are combined": [
      ["reference=*lpha", "label=a=1", "before=beta"],
      ["alpha:1", "alpha:2"],
    ],
  };
  for (const [what, [filters, expected]] of Object.entries(cases)) {
    test(`selectImages shows an image when ${what}`, () => {
      // `beta` alone means beta:latest, which is not there.
      expect(
        shown(
          ...filters.map((filter) =>
            filter.replace(/=beta$/, filter.startsWith("reference") ? "=beta" : "=beta:1"),
          ),
        ),
      ).toEqual([...expected]);
    });
  }

  test("selectImages shows digests when it is asked to, each once", () => {
    const rows = rowsOf(selectImages(images, { filters: ["reference=alpha"], all: false }), true);
    expect(rows.map(({ tag, digest }) => [tag, digest])).toEqual(
      ["1", "2"].map((tag) => [tag, alpha.entries[0]?.descriptor.digest]) as [string, Digest][], // two rows
    );
  });

  test("selectImages refuses filters that are wrong", () => {
    for (const filter of ["x", "nope=1", "dangling=maybe", "reference=["]) {
      expect(() => shown(filter)).toThrow(UsageError);
    }
    expect(() => shown("before=nothing")).toThrow("no such image: nothing:latest");
  });
});

describe("rowFields", () => {
  test("rowFields says N/A when an image has no date", () => {
    const [row] = rowsOf(selectImages([undated], { filters: [], all: false }), false);
    expect(row && rowFields(row, true, Date.now())).toMatchObject({
      CreatedAt: "N/A",
      CreatedSince: "N/A",
      Size: "30B",
    });
  });

  test("rowFields writes times as docker does", () => {
    const [row] = rowsOf(selectImages([beta], { filters: [], all: false }), false);
    expect(row && rowFields(row, true, Date.UTC(2026, 0, 1, 2))).toMatchObject({
      CreatedAt: "2026-01-01 00:00:02 +0000 UTC",
      CreatedSince: "2 hours ago",
      ID: beta.id.slice(7, 19),
    });
  });
});

describe("resolveImage", () => {
  test("resolveImage prefers a name to the beginning of an ID", () => {
    const named = imageOf({ other: 1 }, `${beta.id.slice(7, 11)}:latest`);
    expect(resolveImage([beta, named], beta.id.slice(7, 11)).image).toBe(named);
    expect(resolveImage([beta, named], beta.id.slice(7, 30)).image).toBe(beta);
    expect(resolveImage([beta], beta.id).image).toBe(beta);
    expect(resolveImage([beta], `beta@${beta.entries[0]?.descriptor.digest}`).image).toBe(beta);
  });

  test("resolveImage refuses the beginning of several IDs", () => {
    const many = Array.from({ length: 17 }, (_, seed) => imageOf({ seed }, `i:${seed}`)); // two begin alike
    const digits = many.map(({ id }) => id.slice(7, 8));
    const twice = digits.find((digit, at) => digits.indexOf(digit) < at) ?? "";
    expect(() => resolveImage(many, twice)).toThrow(/several image IDs/);
  });
});

describe("planRemoval", () => {
  const plan = (text: string, force = false) => {
    const { entries, deleted } = planRemoval(resolveImage(images, text), force);
    return [entries.map((entry) => familiarReference(referenceOf(entry))), deleted] as const;
  };

  test("planRemoval takes a name away, and the image with its last", () => {
    expect(plan("alpha:1")).toEqual([["alpha:1"], undefined]);
    expect(plan("team/alpha:1")).toEqual([["team/alpha:1"], undefined]);
    expect(plan("beta:1")).toEqual([["beta:1"], beta.id]);
    expect(plan(lost.id)).toEqual([["beta"], lost.id]);
    expect(plan(beta.id.slice(0, 20))).toEqual([["beta:1"], beta.id]);
  });

  test("planRemoval removes an image with several names by ID only when it is forced", () => {
    const error = (() => {
      try {
        return plan(alpha.id);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(isRegistryError(error, "UNSUPPORTED") && error.message).toContain(
      "alpha:1, alpha:2, team/alpha:1",
    );
    expect(plan(alpha.id, true)).toEqual([["alpha:1", "alpha:2", "team/alpha:1"], alpha.id]);
  });

  test("planRemoval tells of a digest when its last tag in the repository goes", () => {
    const { untagged } = planRemoval(resolveImage(images, "team/alpha:1"), false);
    expect(untagged).toEqual(["team/alpha:1", `team/alpha@${alpha.entries[0]?.descriptor.digest}`]);
    expect(planRemoval(resolveImage(images, "alpha:1"), false).untagged).toEqual(["alpha:1"]);
  });
});

describe("historyOf", () => {
  const history = [
    { created: at(1), created_by: "ADD x" },
    { created: at(2), created_by: "ENV a=b", empty_layer: true },
    { created_by: `RUN\t${"long ".repeat(20)}`, comment: "hm" },
  ];

  test("historyOf gives layers to the steps that made them, the last step first", () => {
    const rows = historyOf(imageOf({ history }, "a"));
    expect(rows.map(({ size }) => size)).toEqual([20, 0, 10]);
    const [first, ...rest] = rows.map(({ id }) => id);
    expect(first).toStartWith("sha256:");
    expect(rest).toEqual(["<missing>", "<missing>"]);
  });

  test("historyFields cuts commands and writes times as it is asked to", () => {
    const rows = historyOf(imageOf({ history }, "a"));
    const options = { truncates: true, human: true, nowMs: Date.UTC(2026, 0, 1, 0, 5) };
    const fields = rows.map((row) => historyFields(row, options));
    expect(fields.map(({ CreatedSince }) => CreatedSince)).toEqual(["N/A", "4 minutes ago", "4 minutes ago"]);
    expect(fields[0]?.CreatedBy).toBe("RUN long long long long long long long long …");
    const whole = rows.map((row) => historyFields(row, { ...options, truncates: false, human: false }));
    expect(whole.map(({ CreatedSince, Size }) => [CreatedSince, Size])).toEqual([
      ["N/A", "20"],
      ["2026-01-01T00:00:02Z", "0"],
      ["2026-01-01T00:00:01Z", "10"],
    ]);
    expect(whole[0]?.CreatedBy).toHaveLength(104);
  });

  test("historyOf shows each layer when an image has no history", () => {
    expect(historyOf(imageOf({}, "a")).map(({ size }) => size)).toEqual([20, 10]);
    expect(historyOf(artifact)).toEqual([]);
  });
});

describe("parseImageConfig", () => {
  test("parseImageConfig takes what is of the wrong kind for missing", () => {
    const odd = {
      created: "0001-01-01T00:00:00Z",
      config: { Labels: { a: 1, b: "2" } },
      history: "x",
      rootfs: 3,
      os: 4,
    };
    expect(parseImageConfig(jsonBytes(odd), "x")).toMatchObject({
      labels: { b: "2" },
      history: [],
      diffIds: [],
      os: "",
    });
    expect(parseImageConfig(jsonBytes(odd), "x").created).toBeUndefined();
    expect(() => parseImageConfig(jsonBytes([]), "x")).toThrow(/not a JSON object/);
    expect(() => parseImageConfig(new Uint8Array([1]), "x")).toThrow(/damaged/);
  });
});
