import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseChallenges } from "./challenges.ts";

const parse = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe("parseChallenges", () => {
  test.each([
    ['Basic realm="x"', [["basic", { realm: "x" }]]],
    ["Basic", [["basic", {}]]],
    [
      'Bearer realm="https://a.test/t",service="s, t",scope="repository:a/b:pull,push"',
      [["bearer", { realm: "https://a.test/t", service: "s, t", scope: "repository:a/b:pull,push" }]],
    ],
    [
      'bearer REALM=plain , error="invalid_token", Basic realm="a \\"b\\""',
      [
        ["bearer", { realm: "plain", error: "invalid_token" }],
        ["basic", { realm: 'a "b"' }],
      ],
    ],
    [
      'Negotiate abc==, Basic realm="x"',
      [
        ["negotiate", {}],
        ["basic", { realm: "x" }],
      ],
    ],
    ['Bearer realm="a",realm="b"', [["bearer", { realm: "a" }]]],
    ['realm="x"', []],
    ["", []],
  ])("parseChallenges reads %s", (header, expected) => {
    expect<unknown>(parse(header)).toEqual(expected);
  });

  test("parseChallenges reads back any parameters that are quoted", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string()), (parameters) => {
        const quoted = Object.entries(parameters).map(
          ([name, value]) => `${name}="${value.replace(/[\\"]/g, "\\$&")}"`,
        );
        expect(parse(`Bearer ${quoted.join(", ")}`)).toEqual([["bearer", { ...parameters }]]);
      }),
    );
  });

  test("parseChallenges ends soon when a header is malformed", () => {
    const started = performance.now();
    parse(`Bearer ${'a="\\'.repeat(20_000)}`);
    parse(`Bearer ${"a,".repeat(50_000)}`);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
