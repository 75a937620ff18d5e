import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseToml, tomlAt, withEntries } from "./toml.ts";

const path = ["plugins", "io.x", "registry"];

describe("withEntries", () => {
  test.each([
    ["", '[plugins."io.x".registry]\n  a = "b"\n'],
    ["x = 1", 'x = 1\n\n[plugins."io.x".registry]\n  a = "b"\n'],
    ["[plugins.'io.x'.registry] # y\n", "[plugins.'io.x'.registry] # y\n  a = \"b\"\n"],
    ["[ plugins . 'io.x' . registry ]", "[ plugins . 'io.x' . registry ]\n  a = \"b\"\n"],
    ["[plugins]\n  [plugins.'io.x'.registry]\n", "[plugins]\n  [plugins.'io.x'.registry]\n    a = \"b\"\n"],
    ["[plugins.'io.x'.registry]\na = '' # c\n", "[plugins.'io.x'.registry]\na = \"b\" # c\n"],
    ["[plugins.'io.x']\nregistry.a = '' # c\n", "[plugins.'io.x']\nregistry.a = \"b\" # c\n"],
    [
      "[plugins.'io.x'.registry.m]\r\n[z]\r\n",
      '[plugins.\'io.x\'.registry.m]\r\n[z]\r\n\r\n[plugins."io.x".registry]\r\n  a = "b"\r\n',
    ],
    ["# \xc3\xa4\n", '# \xc3\xa4\n\n[plugins."io.x".registry]\n  a = "b"\n'],
  ])("withEntries turns %j into %j", (text, expected) => {
    expect(withEntries("f", text, path, [{ key: "a", set: "b" }])).toBe(expected);
  });

  test.each([
    [
      "plugins = { 'io.x' = { registry = {} } }",
      /f has this in a form that cannot be added to: write it yourself/,
    ],
    ["plugins = 1", /\[plugins\."io\.x"\.registry\]\n {2}a = "b"$/],
    ["[[plugins]]\n", /cannot be added to/],
    ["[plugins.'io.x']\nregistry.b = 1\n", /cannot be added to/],
    ["x = = 1", /f is no TOML: .* in line 1: mend it, nothing was changed/],
    ["x = 'a\xe4'", /f is no TOML: it is not UTF-8/],
  ])("withEntries refuses %j", (text, message) => {
    expect(() => withEntries("f", text, path, [{ key: "a", set: "b" }])).toThrow(message);
  });

  test("withEntries changes nothing but the entry, wherever a table stands", () => {
    const key = fc.constantFrom("plugins", "registry", "x", "'io.x'", '"io.x"');
    const header = fc.array(key, { minLength: 1, maxLength: 3 }).map((keys) => `[${keys.join(".")}]`);
    const line = fc.oneof(
      header,
      fc.constantFrom("a = ''", "b = [1, 2] # b", "# c", "", "c = { d = 1979-05-27 }"),
    );
    const document = fc.array(line, { maxLength: 8 }).map((lines) => lines.join("\n"));
    fc.assert(
      fc.property(document.filter(isToml), (text) => {
        const before = parseToml("f", text);
        const made = attempt(() => withEntries("f", text, path, [{ key: "a", set: "b" }]));
        if (made === undefined) return; // refused
        expect(tomlAt(parseToml("f", made), ...path, "a")).toBe("b");
        for (const one of ["x", "registry", "b", "c"])
          expect(tomlAt(parseToml("f", made), one)).toEqual(tomlAt(before, one));
        for (const comment of ["# b", "# c"])
          expect(made.split(comment).length).toBe(text.split(comment).length);
      }),
    );
  });
});

function isToml(text: string): boolean {
  return attempt(() => parseToml("f", text)) !== undefined;
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined; // what is refused is tested above
  }
}
