import { describe, expect, test } from "bun:test";
import { contentRangeOf, sizeOf, strongTagOf } from "./ranges.ts";
import { onceEach, parseWarnings } from "./warnings.ts";

const headers = (values: Record<string, string>) => new Map(Object.entries(values));

describe("contentRangeOf", () => {
  test.each([
    ["bytes 0-9/100", { first: 0, last: 9, size: 100 }],
    ["bytes 5-9/*", { first: 5, last: 9, size: undefined }],
    ["bytes */100", { first: undefined, last: undefined, size: 100 }],
    ["bytes 0-9", undefined],
    ["items 0-9/100", undefined],
  ])("contentRangeOf reads %s", (value, expected) => {
    expect<unknown>(contentRangeOf(headers({ "content-range": value }))).toEqual(expected);
  });
});

describe("sizeOf", () => {
  test("sizeOf trusts no length of what is encoded", () => {
    expect(sizeOf(headers({ "content-length": "7" }))).toBe(7);
    expect(sizeOf(headers({ "content-length": "7", "content-encoding": "identity" }))).toBe(7);
    expect(sizeOf(headers({ "content-length": "7", "content-encoding": "gzip" }))).toBeUndefined();
    expect(sizeOf(headers({ "content-length": "7, 7" }))).toBeUndefined();
    expect(sizeOf(headers({}))).toBeUndefined();
  });
});

describe("strongTagOf", () => {
  test("strongTagOf passes over weak tags", () => {
    expect(strongTagOf(headers({ etag: '"a"' }))).toBe('"a"');
    expect(strongTagOf(headers({ etag: 'W/"a"' }))).toBeUndefined();
  });
});

describe("parseWarnings", () => {
  test.each([
    ['299 - "old"', ["old"]],
    ['299 registry.test "a, \\"b\\"" , 299 - "c"', ['a, "b"', "c"]],
    ['110 - "stale"', []],
    ["299 - unquoted", []],
    [undefined, []],
  ])("parseWarnings reads %s", (header, expected) => {
    expect([...parseWarnings(header)]).toEqual(expected);
  });
});

describe("onceEach", () => {
  test("onceEach tells each text once, and keeps only so many in mind", () => {
    const told: string[] = [];
    const tell = onceEach((text) => told.push(text));
    for (let at = 0; at < 3000; at++) tell(`${at % 1500}`);
    expect(told.length).toBe(3000);
    tell("1499");
    expect(told.length).toBe(3000);
  });
});
