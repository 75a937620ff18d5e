import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { typeKeys } from "./typed-lines.ts";

const type = (rest: string, text = "") => typeKeys({ text, rest });

describe("typeKeys", () => {
  test.each([
    ["abc\r", "abc"],
    ["abc\n", "abc"],
    ["abx\u007fc\r", "abc"],
    ["ab😀\bc\r", "abc"],
    ["wrong\u0015right\r", "right"],
    ["\u007f\u007fa\r", "a"],
    ["a\u001b[Db\u001b[1;5Cc\u001bOPd\u001bxe\r", "abcde"],
    ["a\u0001\u0004b\t\r", "ab"],
    ["pässwörd 画\r", "pässwörd 画"],
    ["\r", ""],
  ])("typeKeys makes of %j the line %j", (keys, line) => {
    expect(type(keys)).toEqual({ kind: "line", line, rest: "" });
  });

  test("typeKeys leaves what was typed ahead for the next line", () => {
    expect(type("alice\rsecret\r")).toEqual({ kind: "line", line: "alice", rest: "secret\r" });
  });

  test("typeKeys ends at Ctrl-C, and at Ctrl-D on an empty line", () => {
    expect(type("abc\u0003")).toEqual({ kind: "interrupt" });
    expect(type("\u0004")).toEqual({ kind: "end" });
  });

  test("typeKeys makes the same line however the keys come in pieces", () => {
    const keys = fc.constantFrom(
      "a",
      "ß",
      "😀",
      "\u007f",
      "\u0015",
      "\u001b[A",
      "\u001b[1;2H",
      "\u001bOQ",
      "\u0001",
    );
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 12 }), fc.nat(60), (pressed, at) => {
        const all = `${pressed.join("")}\r`;
        const cut = at % all.length;
        // Characters of two units come whole from a terminal.
        fc.pre(!/[\ud800-\udbff]$/.test(all.slice(0, cut)));
        const first = type(all.slice(0, cut));
        expect(first.kind).toBe("more");
        if (first.kind !== "more") return;
        expect(type(first.typed.rest + all.slice(cut), first.typed.text)).toEqual(type(all));
      }),
    );
  });
});
