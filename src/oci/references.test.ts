import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  canonicalReferences,
  type ReferenceFact,
  readReferenceFacts,
  registryNames,
} from "../../tests/fixtures/references.ts";
import { type ErrorCode, RegistryError } from "./errors.ts";
import {
  defaultRegistry,
  familiarName,
  familiarReference,
  formatReference,
  parseReference,
  parseRegistryName,
  type Reference,
  withDefaultTag,
} from "./references.ts";

const sha256 = `sha256:${"0123456789abcdef".repeat(4)}`;
const hex = "0123456789abcdef".repeat(4);

// What docker accepts and Berth refuses on purpose: a name without any registry, which docker can't pull, and sha384.
const refusedHere = /^[^/]*_|@sha384:/;

describe("parseReference", () => {
  const facts = readReferenceFacts();
  const isAccepted = ({ canonical }: ReferenceFact) =>
    canonical !== undefined && !refusedHere.test(canonical);
  const accepted = facts.filter(isAccepted);
  const refused = facts.filter((fact) => !isAccepted(fact));

  test("parseReference understands what docker accepts when it is given the same", () => {
    expect(accepted.length).toBeGreaterThan(220);
    const found = accepted.map(({ input }) => {
      const reference = parseReference(input);
      return {
        input,
        canonical: formatReference(withDefaultTag(reference)),
        familiar: familiarName(reference),
      };
    });
    expect(found).toEqual(accepted as typeof found); // safe: none of them has an error
  });

  test("parseReference refuses what docker refuses when it is given the same", () => {
    expect(refused.length).toBeGreaterThan(270);
    expect(refused.filter(({ input }) => codeOf(() => parseReference(input)) === undefined)).toEqual([]);
  });

  test("parseReference carries the parts when all are given", () => {
    expect(parseReference(`[::1]:5000/team/app:1.0@${sha256}`) as object).toEqual({
      registry: "[::1]:5000",
      repository: "team/app",
      tag: "1.0",
      digest: sha256,
    });
  });

  test("parseReference leaves tag and digest out when none is given", () => {
    expect(Object.keys(parseReference("alpine"))).toEqual(["registry", "repository"]);
  });

  const faults: [text: string, code: ErrorCode, message: string][] = [
    ["", "NAME_INVALID", 'the reference is empty: expected for example "alpine:3.20"'],
    ["Alpine", "NAME_INVALID", 'it must be lower case: try "library/alpine"'],
    ["docker/Docker:1", "NAME_INVALID", 'name "docker/Docker": it must be lower case: try "docker/docker"'],
    ["localhost:5000/", "NAME_INVALID", 'invalid repository name "": it is empty'],
    ["alp ine", "NAME_INVALID", 'invalid reference "alp ine": invalid repository name "library/alp ine"'],
    ["alpine\u0000", "NAME_INVALID", String.raw`"library/alpine\u0000"`],
    ["alpine\u009b31m", "NAME_INVALID", String.raw`"library/alpine\u009b31m"`],
    [`team/${"a".repeat(251)}`, "NAME_INVALID", "it has 256 characters, the most is 255"],
    ["my_host:5000/app", "NAME_INVALID", 'invalid registry "my_host:5000": expected a host name'],
    ["my_host.lan/app", "NAME_INVALID", 'invalid registry "my_host.lan": expected a host name'],
    ["fc00::1:5000/app", "NAME_INVALID", "an IPv6 address in [brackets]"],
    ["https://example.com/app", "NAME_INVALID", 'leave out "https://"'],
    ["docker://alpine", "NAME_INVALID", 'leave out "docker://"'],
    [hex, "NAME_INVALID", "64 hexadecimal digits are an image's ID"],
    ["alpine:", "TAG_INVALID", 'invalid tag "": it is empty'],
    ["alpine:v1 beta", "TAG_INVALID", 'invalid tag "v1 beta": expected a letter, digit or _'],
    [`alpine:${"1".repeat(129)}`, "TAG_INVALID", "it has 129 characters, the most is 128"],
    ["alpine@latest", "DIGEST_INVALID", '"latest" is not a digest: expected sha256:<64 hex digits>'],
    ["alpine@sha256:12", "DIGEST_INVALID", '"sha256:12" is not a sha256 digest: expected 64 lower-case'],
    [`alpine@sha384:${"f".repeat(96)}`, "DIGEST_INVALID", '"sha384" is not supported: use sha256 or sha512'],
    [`alpine@md5:${"f".repeat(32)}`, "DIGEST_INVALID", '"md5" is not supported'],
  ];
  test.each(faults)("parseReference says what is wrong when it is given %j", (text, code, message) => {
    const error = errorOf(() => parseReference(text));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.message.length).toBeLessThan(600);
  });

  test("parseReference keeps the message short when it is given a million characters", () => {
    for (const piece of ["a", "a.", "A-", "a/", "a:", "@", "[:", "_", "\u001b"]) {
      const error = errorOf(() => parseReference(piece.repeat(1_000_000 / piece.length)));
      expect(error.message.length).toBeLessThan(2000);
    }
  });

  test("parseReference ends with a reference or a RegistryError when it is given anything", () => {
    const pieces = fc.constantFrom(
      "a",
      "A",
      "9",
      ".",
      "_",
      "-",
      "/",
      ":",
      "@",
      "[",
      "]",
      "é",
      " ",
      sha256,
      "docker.io",
    );
    const noise = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(pieces, { maxLength: 12 }).map((all) => all.join("")),
    );
    fc.assert(
      fc.property(noise, (text) => {
        if (codeOf(() => parseReference(text)) !== undefined) return;
        const reference = parseReference(text);
        expect(parseReference(formatReference(reference))).toEqual(reference);
      }),
      { numRuns: 3000 },
    );
  });
});

describe("formatReference", () => {
  test("formatReference gives back the text when it was canonical", () => {
    fc.assert(
      fc.property(canonicalReferences, (text) => {
        expect(formatReference(parseReference(text))).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("familiarReference", () => {
  test("familiarReference parses to the same reference when it is generated", () => {
    fc.assert(
      fc.property(canonicalReferences, (text) => {
        const reference = parseReference(text);
        const familiar = familiarReference(reference);
        expect(parseReference(familiar)).toEqual(reference);
        expect(familiar.length).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: 1000 },
    );
  });

  const forms: [text: string, familiar: string][] = [
    ["docker.io/library/alpine:3.20", "alpine:3.20"],
    [`index.docker.io/alpine:3.20@${sha256}`, `alpine:3.20@${sha256}`],
    ["docker.io/team/app", "team/app"],
    ["docker.io/library/team/app", "library/team/app"],
    ["docker.io/library/example.com:1", "example.com:1"],
    ["localhost/library/alpine", "localhost/library/alpine"],
    // Short, these would be read as something else.
    ["docker.io/example.com/app:1", "docker.io/example.com/app:1"],
    ["docker.io/localhost/app", "docker.io/localhost/app"],
    ["docker.io/index.docker.io/app", "docker.io/index.docker.io/app"],
    [`docker.io/library/${hex}`, `docker.io/library/${hex}`],
    [`docker.io/library/${hex}:1`, `${hex}:1`],
  ];
  test.each(forms)("familiarReference of %j is %j", (text, familiar) => {
    const reference = parseReference(text);
    expect(familiarReference(reference)).toBe(familiar);
    expect(parseReference(familiar)).toEqual(reference);
  });
});

describe("withDefaultTag", () => {
  test("withDefaultTag adds latest when there is neither tag nor digest", () => {
    expect(formatReference(withDefaultTag(parseReference("alpine")))).toBe("docker.io/library/alpine:latest");
  });

  test.each(["alpine:1", `alpine@${sha256}`, `alpine:1@${sha256}`])(
    "withDefaultTag keeps %j as it is",
    (text) => {
      const reference: Reference = parseReference(text);
      expect(withDefaultTag(reference)).toBe(reference);
    },
  );
});

describe("parseRegistryName", () => {
  test("parseRegistryName takes what references begin with when it is generated", () => {
    fc.assert(
      fc.property(registryNames, (name) => {
        expect(parseRegistryName(name) as string).toBe(name);
        expect(parseReference(`${name}/team/app`).registry as string).toBe(name);
      }),
    );
  });

  test("parseRegistryName gives docker.io when it is given its old name", () => {
    expect(parseRegistryName("index.docker.io")).toBe(defaultRegistry);
  });

  const faults: [text: string, message: string][] = [
    ["", "expected a host name"],
    ["https://example.com", "expected a host name"],
    ["example.com/", "expected a host name"],
    ["::1", "an IPv6 address in [brackets]"],
    ["registry", 'add the port, such as "registry:443"'],
  ];
  test.each(faults)("parseRegistryName refuses %j", (text, message) => {
    const error = errorOf(() => parseRegistryName(text));
    expect(error.code).toBe("NAME_INVALID");
    expect(error.message).toContain(message);
  });
});

function errorOf(action: () => unknown): RegistryError {
  try {
    action();
  } catch (error) {
    if (error instanceof RegistryError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

function codeOf(action: () => unknown): ErrorCode | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof RegistryError) return error.code;
    throw error;
  }
}
