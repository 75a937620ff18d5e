import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { digests } from "../../tests/fixtures/references.ts";
import {
  algorithmOf,
  encodedLength,
  encodedOf,
  isDigest,
  isDigestAlgorithm,
  parseDigest,
  parseDigestAlgorithm,
} from "./digests.ts";

describe("parseDigest", () => {
  test("parseDigest takes sha256 and sha512 and gives back their parts when they are well-formed", () => {
    fc.assert(
      fc.property(digests, (text) => {
        const digest = parseDigest(text);
        expect(`${algorithmOf(digest)}:${encodedOf(digest)}`).toBe(text);
        expect(encodedOf(digest).length).toBe(encodedLength[algorithmOf(digest)]);
      }),
    );
  });

  test("parseDigest refuses a digest when one character of it is another", () => {
    fc.assert(
      fc.property(
        digests,
        fc.nat(),
        fc.constantFrom("", "A", "F", "g", "/", ".", " ", "é", "00"),
        (text, nat, other) => {
          const at = nat % text.length;
          const changed = text.slice(0, at) + other + text.slice(at + 1);
          expect(isDigest(changed)).toBe(false);
          expect(() => parseDigest(changed)).toThrow();
        },
      ),
    );
  });

  const faults: [text: string, message: string][] = [
    ["", '"" is not a digest: expected sha256:<64 hex digits>'],
    ["latest", '"latest" is not a digest: expected sha256:<64 hex digits>'],
    ["a".repeat(64), "is not a digest"],
    ["sha256:", '"sha256:" is not a digest'],
    [":abc", '":abc" is not a digest'],
    ["sha256:../../etc/passwd", "is not a digest"],
    ["sha256:abc", '"sha256:abc" is not a sha256 digest: expected 64 lower-case hexadecimal digits'],
    [`sha256:${"A".repeat(64)}`, "expected 64 lower-case hexadecimal digits"],
    [`sha256:${"0".repeat(128)}`, "expected 64 lower-case hexadecimal digits"],
    [`sha512:${"0".repeat(64)}`, "is not a sha512 digest: expected 128 lower-case hexadecimal digits"],
    [`sha256:${"0".repeat(64)}\n`, "is not a digest"],
    [`SHA256:${"0".repeat(64)}`, 'digest algorithm "SHA256" is not supported: use sha256 or sha512'],
    [`md5:${"0".repeat(32)}`, 'digest algorithm "md5" is not supported: use sha256 or sha512'],
    [`sha384:${"0".repeat(96)}`, 'digest algorithm "sha384" is not supported'],
    [`blake3:${"0".repeat(64)}`, 'digest algorithm "blake3" is not supported'],
    ["sha256+b64:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564=", '"sha256+b64" is not supported'],
  ];
  test.each(faults)("parseDigest says what is wrong when it is given %j", (text, message) => {
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: "DIGEST_INVALID" }));
    expect(() => parseDigest(text)).toThrow(message);
  });
});

describe("parseDigestAlgorithm", () => {
  test("parseDigestAlgorithm takes the two that are supported", () => {
    expect(parseDigestAlgorithm("sha256")).toBe("sha256");
    expect(parseDigestAlgorithm("sha512")).toBe("sha512");
  });

  test.each(["", "sha1", "SHA256", "sha256:", "constructor"])("parseDigestAlgorithm refuses %j", (text) => {
    expect(isDigestAlgorithm(text)).toBe(false);
    expect(() => parseDigestAlgorithm(text)).toThrow("is not supported: use sha256 or sha512");
  });
});
