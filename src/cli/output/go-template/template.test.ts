import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { UsageError } from "../../command.ts";
import { compileTemplate, UnknownFieldError } from "./template.ts";

const image = {
  Id: "sha256:abc",
  RepoTags: ["a:1", "b:2"],
  Size: 12345,
  Empty: [],
  Config: { Labels: { z: "last", a: "first" }, Cmd: null, Env: ["PATH=/bin"] },
};

const cases: readonly (readonly [string, string])[] = [
  ["plain", "plain"],
  ["{{.Id}}", "sha256:abc"],
  ["{{ .Id }}:{{.Size}}", "sha256:abc:12345"],
  ["{{json .RepoTags}}", '["a:1","b:2"]'],
  ["{{json .Config.Labels}}", '{"z":"last","a":"first"}'],
  ["{{json .Config.Nothing}}", "null"],
  ["{{index .RepoTags 1}}", "b:2"],
  ['{{index .Config.Labels "a"}}', "first"],
  ['{{index .Config.Labels "no"}}', ""],
  ["{{.Config.Labels.no}}", "<no value>"],
  ["{{.RepoTags}}", "[a:1 b:2]"],
  ["{{.Config.Labels}}", "map[a:first z:last]"],
  ["{{range .RepoTags}}{{.}} {{end}}", "a:1 b:2 "],
  ["{{range $i, $tag := .RepoTags}}{{$i}}={{$tag}};{{end}}", "0=a:1;1=b:2;"],
  ["{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}", "a=first z=last "],
  ["{{range .Empty}}x{{else}}none{{end}}", "none"],
  ["{{if .Config.Cmd}}cmd{{else if .Size}}size{{else}}no{{end}}", "size"],
  ["{{if and .Size (not .Empty)}}yes{{end}}", "yes"],
  ["{{with .Config}}{{index .Env 0}}{{end}}", "PATH=/bin"],
  ["{{with $x := .Size}}{{$x}}{{end}}", "12345"],
  ["{{$x := .Size}}{{$x}}", "12345"],
  ["{{range .RepoTags}}{{$.Id}}{{end}}", "sha256:abcsha256:abc"],
  ['{{join .RepoTags ", "}}', "a:1, b:2"],
  ['{{.Id | upper | printf "%q"}}', '"SHA256:ABC"'],
  ['{{(index .RepoTags 0) | printf "%-5s|"}}', "a:1  |"],
  ['{{index (split .Id ":") 1}}', "abc"],
  ["{{len .RepoTags}}", "2"],
  ['{{if eq .Id "x" "sha256:abc"}}same{{end}}', "same"],
  ["a {{- .Size -}} b", "a12345b"],
  ["{{/* nothing */}}x", "x"],
  ['{{"}}"}}', "}}"],
  ["{{`a\\n`}}", "a\\n"],
  ['{{println "a" 1}}', "a 1\n"],
  ["{{truncate .Id 3}}", "sha"],
  ["{{gt .Size 1000}}", "true"],
];

describe("compileTemplate", () => {
  for (const [template, expected] of cases) {
    test(`compileTemplate gives ${JSON.stringify(expected)} for ${template}`, () => {
      expect(compileTemplate(template)(image)).toBe(expected);
    });
  }

  const wrong = [
    "{{",
    "{{.Id",
    "{{}}",
    "{{if .Id}}",
    "{{end}}",
    "{{range .Id}}{{end}}",
    "{{nope .Id}}",
    "{{toString}}",
    "{{.Id .Size}}",
    "{{.Id.Deeper}}",
    "{{.Nope}}",
    "{{json .Nope}}",
    "{{range .RepoTags}}{{$.Nope}}{{end}}",
    "{{index .RepoTags 2}}",
    "{{$nope}}",
    "{{(.Id}}",
    "{{.Id |}}",
    "{{if .Id}}a{{else}}b",
  ];
  for (const template of wrong) {
    test(`compileTemplate refuses ${template}`, () => {
      expect(() => compileTemplate(template)(image)).toThrow(UsageError);
    });
  }

  test("compileTemplate names the fields when there is no such one", () => {
    const attempt = () => compileTemplate("{{.Nope}}")({ ID: "1", Tag: "2" });
    expect(attempt).toThrow(UnknownFieldError);
    expect(attempt).toThrow("there is no field Nope: choose among ID, Tag");
  });

  test("compileTemplate gives text or a UsageError whatever it is given", () => {
    const piece = fc.constantFrom(
      "{{",
      "}}",
      ".",
      ".Id",
      "$",
      "|",
      "(",
      ")",
      " ",
      "if",
      "range",
      "end",
      "else",
      '"',
      "x",
      "json",
      "1",
      "-",
      ":=",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          expect(typeof compileTemplate(pieces.join(""))(image)).toBe("string");
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("compileTemplate gives text without actions back as it is", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!text.includes("{{"));
        expect(compileTemplate(text)(image)).toBe(text);
      }),
    );
  });
});
