import { describe, expect, test } from "bun:test";
import { UsageError } from "../command.ts";
import { formatAs } from "./docker-format.ts";

const headings = { ID: "IMAGE ID", Tag: "TAG" };
const row = { ID: "abc", Tag: "1.0" };

describe("formatAs", () => {
  for (const format of ["{{.Nope}}", "table {{.ID}}\\t{{.Nope}}"]) {
    for (const list of [[], [row]]) {
      test(`formatAs refuses ${format} when there are ${list.length} to print`, () => {
        expect(() => formatAs(format, list, headings)).toThrow(UsageError);
      });
    }
  }

  test("formatAs prints nothing when there is nothing, whatever the template makes of headings", () => {
    expect(formatAs('{{index (split .Tag ".") 1}}', [], headings)).toBe("");
    expect(formatAs('{{index (split .Tag ".") 1}}', [row], headings)).toBe("0\n");
  });
});
