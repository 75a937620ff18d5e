import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type ErrorCode,
  errorCodeOf,
  errorTable,
  isRegistryError,
  printable,
  quote,
  RegistryError,
} from "./errors.ts";

// https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
const specified =
  "BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN MANIFEST_INVALID " +
  "MANIFEST_UNKNOWN NAME_INVALID NAME_UNKNOWN SIZE_INVALID UNAUTHORIZED DENIED UNSUPPORTED TOOMANYREQUESTS";
/** What only the management API answers. */
const managed = "ACCOUNT_UNKNOWN CONFLICT";
const codes = Object.keys(errorTable) as ErrorCode[]; // safe: these are its keys

describe("errorTable", () => {
  test("errorTable puts only codes of the specification into answers when the client is at fault", () => {
    const wires = codes.map((code) => errorTable[code]).filter(({ status }) => status < 500);
    const known = [...specified.split(" "), ...managed.split(" ")];
    expect([...new Set(wires.map(({ wire }) => wire))].sort()).toEqual(known.sort());
  });

  test("errorTable has each code of the specification under its own name", () => {
    for (const code of specified.split(" ") as ErrorCode[]) expect(errorTable[code].wire).toBe(code); // safe: checked
  });
});

describe("errorCodeOf", () => {
  test.each(codes)("errorCodeOf gives a code that is answered in the same way when it reads a %s", (code) => {
    const { status, wire } = errorTable[code];
    const back = errorCodeOf(status, wire);
    expect(errorTable[back]).toMatchObject({ status, wire });
    if (code !== "TAG_INVALID") expect(back).toBe(code); // the specification has no code of its own for it
  });

  const answers: [status: number, wire: string | undefined, code: ErrorCode][] = [
    [400, "MANIFEST_BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"],
    [400, "TAG_INVALID", "TAG_INVALID"],
    [401, undefined, "UNAUTHORIZED"],
    [403, undefined, "DENIED"],
    [404, undefined, "NAME_UNKNOWN"],
    [404, "PAGE_NOT_FOUND", "NAME_UNKNOWN"],
    [400, undefined, "UNSUPPORTED"],
    [405, undefined, "UNSUPPORTED"],
    [413, undefined, "MANIFEST_TOO_LARGE"],
    [418, undefined, "UNSUPPORTED"],
    [429, undefined, "TOOMANYREQUESTS"],
    [500, "UNKNOWN", "INTERNAL"],
    [501, undefined, "INTERNAL"],
    [502, undefined, "UNAVAILABLE"],
    [503, undefined, "UNAVAILABLE"],
    [504, "", "UNAVAILABLE"],
    [507, undefined, "STORAGE_FULL"],
  ];
  test.each(answers)("errorCodeOf reads an answer with status %d and code %p", (status, wire, code) => {
    expect(errorCodeOf(status, wire)).toBe(code);
  });

  test.each(["constructor", "toString", "__proto__", "hasOwnProperty"])(
    "errorCodeOf gives a code of the table when the answer's code is %s",
    (wire) => {
      expect(codes).toContain(errorCodeOf(404, wire));
    },
  );
});

describe("RegistryError", () => {
  test("RegistryError carries its code, detail and cause when they are given", () => {
    const cause = new Error("disk");
    const error = new RegistryError("INTERNAL", "could not write", { detail: { blob: 1 }, cause });
    expect(error).toMatchObject({
      name: "RegistryError",
      code: "INTERNAL",
      message: "could not write",
      cause,
    });
    expect(error.detail).toEqual({ blob: 1 });
    expect(error.stack).toContain("could not write");
  });

  test("RegistryError has neither detail nor cause when none is given", () => {
    const error = new RegistryError("DENIED", "no");
    expect(error.detail).toBeUndefined();
    expect("cause" in error).toBe(false);
  });

  test("isRegistryError tells it from other errors, and by code when one is given", () => {
    const error: unknown = new RegistryError("DENIED", "no");
    expect(isRegistryError(error)).toBe(true);
    expect(isRegistryError(error, "DENIED")).toBe(true);
    expect(isRegistryError(error, "INTERNAL")).toBe(false);
    expect(isRegistryError(Object.assign(new Error("no"), { code: "DENIED" }))).toBe(false);
    expect(isRegistryError(undefined)).toBe(false);
  });
});

describe("quote", () => {
  const quoted: [text: string, expected: string][] = [
    ["", '""'],
    ["team/app", '"team/app"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ["a\nb\u0000", '"a\\nb\\u0000"'],
    ["\u001b[31m", '"\\u001b[31m"'],
    ["\u009b31m\u007f", '"\\u009b31m\\u007f"'],
    ["\u202etxt\u2066", '"\\u202etxt\\u2066"'],
    ["\u2028\ufeff\u200b", '"\\u2028\\ufeff\\u200b"'],
    ["\ud800", '"\\ud800"'],
    ["é 日本 😀", '"é 日本 😀"'],
    ["\u{e0041}", '"\\udb40\\udc41"'],
  ];
  test.each(quoted)("quote escapes %j", (text, expected) => {
    expect(quote(text)).toBe(expected);
  });

  test("quote cuts a text when it is longer than 120 characters", () => {
    expect(quote("a".repeat(120))).toBe(`"${"a".repeat(120)}"`);
    expect(quote("a".repeat(121))).toBe(`"${"a".repeat(117)}..."`);
    expect(quote("😀".repeat(100))).toEndWith('\\ud83d..."');
  });

  test("quote is JSON of the text, without anything that a terminal acts on, when it is given anything", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        expect(JSON.parse(quote(text))).toBe(text);
        expect(quote(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});

describe("printable", () => {
  test("printable escapes line ends and leaves quotes alone when a text has both", () => {
    expect(printable('say "é"\n')).toBe('say "é"\\u000a');
  });
});
