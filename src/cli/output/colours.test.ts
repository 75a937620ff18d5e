import { expect, test } from "bun:test";
import { recordOutput } from "../../../tests/fixtures/command-lines.ts";
import { coloursFor } from "./colours.ts";

test("coloursFor colours on a terminal alone, and not when NO_COLOR is set", () => {
  const { output: terminal } = recordOutput(80);
  expect(coloursFor(terminal, {}).red("x")).toBe("\u001b[31mx\u001b[0m");
  expect(coloursFor(terminal, { NO_COLOR: "" }).red("x")).toBe("\u001b[31mx\u001b[0m");
  expect(coloursFor(terminal, { NO_COLOR: "1" }).red("x")).toBe("x");
  expect(coloursFor(terminal, { TERM: "dumb" }).bold("x")).toBe("x");
  expect(coloursFor(recordOutput().output, {}).red("x")).toBe("x");
});
