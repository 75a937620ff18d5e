import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { asksForHelp, parseArguments } from "./arguments.ts";
import { UsageError } from "./command.ts";

const command = {
  flags: {
    all: { type: "switch", short: "a", summary: "all" },
    quiet: { type: "switch", short: "q", summary: "less" },
    "no-trunc": { type: "switch", summary: "whole" },
    filter: { type: "text", short: "f", value: "FILTER", multiple: true, summary: "only" },
    format: { type: "text", value: "FORMAT", summary: "how" },
    open: { type: "text", value: "WHAT", bare: "push", summary: "who" },
    sort: { type: "text", value: "BY", choices: ["name", "size"], summary: "order" },
    limit: { type: "number", short: "n", value: "N", summary: "most" },
  },
  operands: { first: { value: "FIRST" }, rest: { value: "REST", optional: true, multiple: true } },
} as const;

const parse = (...args: string[]) => parseArguments(args, command);

describe("parseArguments", () => {
  test("parseArguments gives switches as false, texts as undefined and lists as empty when nothing is given", () => {
    expect(parse("a")).toEqual({
      flags: {
        all: false,
        quiet: false,
        "no-trunc": false,
        filter: [],
        format: undefined,
        open: undefined,
        sort: undefined,
        limit: undefined,
      },
      operands: { first: "a", rest: [] },
    });
  });

  test.each([
    [["-aq", "x"], { all: true, quiet: true }],
    [["--quiet=false", "x"], { quiet: false }],
    [["--quiet", "--quiet=false", "x"], { quiet: false }],
    [["--quiet=true", "x"], { quiet: true }],
    [["--no-trunc", "x"], { "no-trunc": true }],
    [["--filter", "a=b", "x", "--filter=c=d"], { filter: ["a=b", "c=d"] }],
    [["-f", "a", "-fb", "x"], { filter: ["a", "b"] }],
    [["-af", "a", "x"], { all: true, filter: ["a"] }],
    [["--format={{.Tag}}", "x"], { format: "{{.Tag}}" }],
    [["--format", "", "x"], { format: "" }],
    [["--format=a", "--format=b", "x"], { format: "b" }],
    [["--open", "x"], { open: "push" }],
    [["--open=pull", "x"], { open: "pull" }],
    [["--sort", "size", "x"], { sort: "size" }],
    [["-n5", "x"], { limit: 5 }],
    [["--limit=0", "x"], { limit: 0 }],
  ] as const)("parseArguments takes %p as docker would", (args, flags) => {
    expect(parse(...args).flags).toMatchObject(flags);
  });

  test("parseArguments takes everything behind -- as operands", () => {
    expect(parse("a", "--", "--open", "-q")).toMatchObject({
      flags: { quiet: false, open: undefined },
      operands: { first: "a", rest: ["--open", "-q"] },
    });
  });

  test.each([
    [["--quite", "x"], "there is no flag --quite, did you mean --quiet?"],
    [["-x", "x"], "there is no flag -x"],
    [["--toString", "x"], "there is no flag --toString"],
    [["x", "--format"], "--format needs a value: --format FORMAT"],
    [["--sort=age", "x"], '--sort is "age": expected name, size'],
    [["--limit=-1", "x"], '--limit is "-1": expected a whole number'],
    [["--limit=1e3", "x"], '--limit is "1e3": expected a whole number'],
    [["--quiet=maybe", "x"], '--quiet is "maybe": expected true or false'],
    [[], "FIRST is missing"],
  ] as const)("parseArguments refuses %p", (args, message) => {
    expect(() => parse(...args)).toThrow(UsageError);
    expect(() => parse(...args)).toThrow(message);
  });

  test("parseArguments refuses an operand too many", () => {
    const one = { flags: {}, operands: { first: { value: "FIRST" } } };
    expect(() => parseArguments(["a", "b"], one)).toThrow('"b" is one operand too many');
  });

  test("parseArguments gives back every text that was given, in order, wherever flags stand", () => {
    const texts = fc.string({ minLength: 1 }).filter((text) => !text.startsWith("-"));
    const given = fc.array(fc.record({ isFilter: fc.boolean(), text: texts }), { maxLength: 8 });
    fc.assert(
      fc.property(given, (items) => {
        const args = items.flatMap(({ isFilter, text }) => (isFilter ? ["--filter", text] : [text]));
        const { flags, operands } = parse("first", ...args);
        const only = (wanted: boolean) =>
          items.filter(({ isFilter }) => isFilter === wanted).map(({ text }) => text);
        expect(flags.filter).toEqual(only(true));
        expect(operands).toEqual({ first: "first", rest: only(false) });
      }),
    );
  });
});

describe("asksForHelp", () => {
  test.each([
    [["--help"], true],
    [["-h"], true],
    [["a", "--quiet", "--help"], true],
    [["-qh"], true],
    [["--nonsense", "--help"], true],
    [["--", "--help"], false],
    [["--format=--help"], false],
    [["help"], false],
  ])("asksForHelp of %p is %p", (args, expected) => {
    expect(asksForHelp(args, command)).toBe(expected);
  });

  test("asksForHelp leaves -h to a command that has a flag of that letter", () => {
    const flags = { human: { type: "switch", short: "h", summary: "readable" } } as const;
    expect(asksForHelp(["-h"], { flags })).toBe(false);
  });
});
