import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { maxDepth, parseStrictJson } from "./strict-json.ts";

function parse(text: string): unknown {
  return parseStrictJson(new TextEncoder().encode(text));
}

/** Strings with what JSON must escape, and keys that JavaScript treats in its own way. */
const strings = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom("\\", '"', "{", "}", "[", "]", ":", ",", "\n", "\u0000", "a", "😀") }),
  fc.constantFrom("__proto__", "constructor", "toString", "0", "1", ""),
);
const { value: documents } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof(strings, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(strings, tie("value"), { maxKeys: 4 }),
  ),
}));
const indents = fc.constantFrom(undefined, 1, 4, "\t");

describe("parseStrictJson", () => {
  test("parseStrictJson agrees with JSON.parse when no key stands twice", () => {
    fc.assert(
      fc.property(documents, indents, (document, indent) => {
        const text = JSON.stringify(document, null, indent);
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
      { numRuns: 1000 },
    );
  });

  test("parseStrictJson refuses what JSON.parse refuses when a document is damaged", () => {
    const damage = fc.constantFrom("", '"', "\\", "{", "}", "[", "]", ",", ":", "x", "\\u00", "\u0000");
    fc.assert(
      fc.property(documents, fc.nat(), fc.nat(3), damage, (document, nat, gone, put) => {
        const text = JSON.stringify(document);
        const at = nat % (text.length + 1);
        const damaged = text.slice(0, at) + put + text.slice(at + gone);
        try {
          JSON.parse(damaged);
        } catch {
          expect(() => parse(damaged)).toThrow(SyntaxError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("parseStrictJson refuses a document when a key is put into one of its objects twice", () => {
    fc.assert(
      fc.property(strings, documents, documents, documents, (key, first, second, sibling) => {
        const name = JSON.stringify(key);
        const [one, two, other] = [first, second, sibling].map((document) => JSON.stringify(document));
        expect(() => parse(`[${other}, {${name}: ${one} , ${name} :${two}}]`)).toThrow(
          "stands twice in one object",
        );
        expect(() => parse(`[{${name}: ${one}}, {${name} :${two}}]`)).not.toThrow();
      }),
    );
  });

  test("parseStrictJson sees that two keys are the same when one is written with escapes", () => {
    expect(() => parse(String.raw`{"layers":1,"l\u0061yers":2}`)).toThrow('the key "layers" stands twice');
    expect(() => parse(String.raw`{"a\/":1,"a/":2}`)).toThrow('the key "a/" stands twice');
    expect(() => parse('{"\\ud83d\\ude00":1,"😀":2}')).toThrow("stands twice");
  });

  test("parseStrictJson does not take a value for a key when they are the same", () => {
    expect(parse('{"a":"a","b":["a","a",{"a":"b"}],"c":"a"}')).toEqual({
      a: "a",
      b: ["a", "a", { a: "b" }],
      c: "a",
    });
  });

  test("parseStrictJson takes nesting as deep as the limit and refuses one level more", () => {
    expect(() => parse("[".repeat(maxDepth) + "]".repeat(maxDepth))).not.toThrow();
    expect(() => parse("[".repeat(maxDepth + 1) + "]".repeat(maxDepth + 1))).toThrow(
      "nested deeper than 64 levels",
    );
    expect(() => parse(`${'{"a":'.repeat(maxDepth + 1)}1${"}".repeat(maxDepth + 1)}`)).toThrow(
      "nested deeper",
    );
    expect(() => parse("[".repeat(1_000_000))).toThrow("nested deeper");
    expect(() => parse(`"${"[".repeat(1000)}"`)).not.toThrow();
    expect(() => parse(`[${"[],".repeat(1000)}[]]`)).not.toThrow();
  });

  test("parseStrictJson refuses half of a surrogate pair when it is escaped", () => {
    expect(() => parse(String.raw`{"a":"\ud83d"}`)).toThrow(String.raw`the string "\ud83d" holds half`);
    expect(() => parse(String.raw`{"\uDC00":1,"\ufffd":2}`)).toThrow("holds half of a surrogate pair");
    expect(() => parse(String.raw`["\ude00\ud83d"]`)).toThrow("holds half of a surrogate pair");
    expect(parse(String.raw`["\ud83d\ude00", "\\ud83d"]`)).toEqual(["😀", String.raw`\ud83d`]);
  });

  test("parseStrictJson keeps __proto__ as a plain key when an object has it", () => {
    const value = parse('{"__proto__":{"polluted":true}}') as object; // safe: just written
    expect(Object.keys(value)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect("polluted" in value).toBe(false);
  });

  test("parseStrictJson refuses bytes when they are not UTF-8 or begin with a byte order mark", () => {
    for (const bytes of [
      [0xff],
      [0x22, 0xc3, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0x22, 0xc0, 0x80, 0x22],
    ]) {
      expect(() => parseStrictJson(Uint8Array.from(bytes))).toThrow("it is not UTF-8");
    }
    expect(() => parse("\ufeff{}")).toThrow("it begins with a byte order mark");
    expect(() => parse("{}".split("").join("\u0000"))).toThrow("it is not JSON");
  });

  test("parseStrictJson ends soon when a large document is hostile", () => {
    const size = 4_000_000;
    const hostile = [
      `"${"\\\\".repeat(size / 2)}"`,
      `"${"\\".repeat(size + 1)}"`,
      `"${'\\"'.repeat(size / 2)}`,
      `[${'"\\\\",'.repeat(size / 5)}1]`,
      `{"a"${" ".repeat(size)}:1}`,
      `{"${"\\".repeat(size)}":1,"b":2}`,
      `[${`"${"\\ud800".repeat(50)}",`.repeat(size / 300)}1]`,
      "[]".repeat(size / 2),
      '"'.repeat(size),
      "\\".repeat(size),
      `[${"{},".repeat(size / 3)}{}]`,
      `{${Array.from({ length: size / 20 }, (_, at) => `"key${at}":0`).join(",")}}`,
    ];
    for (const text of hostile) {
      try {
        parse(text);
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
        expect(String(error).length).toBeLessThan(1500);
      }
    }
  });

  test("parseStrictJson escapes what a terminal would act on when it quotes a document", () => {
    for (const text of ["\u009b31m", '{"\u009b":1,"\u009b":2}', "\u001b[31m", "\u202e"]) {
      const act = () => parse(text);
      expect(act).toThrow(SyntaxError);
      expect(act).not.toThrow(/\p{Cc}|\p{Cf}/u);
    }
  });
});
