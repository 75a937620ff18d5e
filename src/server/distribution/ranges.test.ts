import { describe, expect, test } from "bun:test";
import { parseContentRange, parseRange } from "./ranges.ts";

describe("parseRange", () => {
  test.each([
    ["bytes=0-9", 0, 9],
    ["bytes=90-", 90, 99],
    ["bytes=-5", 95, 99],
    ["bytes=-500", 0, 99],
    ["bytes=50-5000", 50, 99],
    ["bytes=99-99", 99, 99],
  ] as const)("parseRange takes %s", (header, first, last) => {
    expect(parseRange(header, 100)).toEqual({ first, last });
  });

  test.each(["bytes=0-1,5-6", "items=0-1", "bytes=a-b", "bytes=-"])(
    "parseRange asks for everything when it is given %s",
    (header) => {
      expect(parseRange(header, 100)).toBeUndefined();
    },
  );

  test.each(["bytes=100-", "bytes=100-200", "bytes=5-2", "bytes=-0"])("parseRange refuses %s", (header) => {
    expect(() => parseRange(header, 100)).toThrow(expect.objectContaining({ code: "BLOB_RANGE_INVALID" }));
  });

  test("parseRange refuses every range when the content is empty", () => {
    expect(() => parseRange("bytes=0-0", 0)).toThrow(expect.objectContaining({ detail: { size: 0 } }));
  });
});

describe("parseContentRange", () => {
  test.each(["0-9", "bytes 0-9", "bytes 0-9/10", "bytes=0-9/*"])("parseContentRange takes %s", (header) => {
    expect(parseContentRange(header)).toEqual({ first: 0, last: 9 });
  });

  test.each(["", "9-0", "a-b", "0-", "-9", "0-9-10", "99999999999999999-999999999999999999"])(
    "parseContentRange refuses %p",
    (header) => {
      expect(() => parseContentRange(header)).toThrow(
        expect.objectContaining({ code: "UPLOAD_RANGE_INVALID" }),
      );
    },
  );
});
