import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseDigest } from "../oci/digests.ts";
import { createHasher, digestOf } from "./hash.ts";
import { createHashState as inBrowser } from "./hash-browser.ts";
import { createHashState as onNode } from "./hash-node.ts";

const text = new TextEncoder();

describe("digestOf", () => {
  test("digestOf gives the digest that the spec has as its example when the bytes are empty JSON", () => {
    const expected = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    expect(digestOf(text.encode("{}"))).toBe(parseDigest(expected));
  });

  test("digestOf gives 128 digits when asked for sha512", () => {
    expect(digestOf(text.encode("{}"), "sha512")).toMatch(/^sha512:[0-9a-f]{128}$/);
  });
});

describe("createHasher", () => {
  test("createHasher gives the digest of the whole when bytes come in pieces", () => {
    const hasher = createHasher("sha256");
    hasher.update(text.encode("{"));
    hasher.update(text.encode("}"));
    expect(hasher.digest()).toBe(digestOf(text.encode("{}")));
  });
});

describe("createHashState", () => {
  test("createHashState of browsers agrees with that of Node when pieces are of any size", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("sha256" as const, "sha512" as const),
        fc.array(fc.uint8Array({ maxLength: 300 })),
        (algorithm, pieces) => {
          const states = [inBrowser(algorithm), onNode(algorithm)];
          for (const piece of pieces) for (const state of states) state.update(piece);
          const [one, other] = states.map((state) => state.hex());
          expect(one).toBe(other as string); // safe: two states give two texts
        },
      ),
    );
  });
});
