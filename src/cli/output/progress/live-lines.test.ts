import { describe, expect, test } from "bun:test";
import { createLiveLines } from "./live-lines.ts";

function record(initial: number) {
  let text = "";
  const output = {
    write(more: string) {
      text += more;
    },
    writeBytes: async () => {},
    isTerminal: true,
    columns: initial,
    rows: 24,
    onResize: () => () => {},
  };
  const lines = createLiveLines(output);
  const draw = (...given: string[]): string => {
    text = "";
    lines.draw(given);
    return text;
  };
  return { output, draw };
}

describe("createLiveLines", () => {
  test("draw goes back to the first line of what was drawn before", () => {
    const { draw } = record(80);
    expect(draw("a", "b")).toBe("\u001b[Ja\nb\n");
    expect(draw("c")).toBe("\u001b[2A\u001b[Jc\n");
    expect(draw("d", "e", "f")).toBe("\u001b[1A\u001b[Jd\ne\nf\n");
  });

  test("draw goes back over lines that a narrower terminal has wrapped", () => {
    const { output, draw } = record(80);
    draw("x".repeat(79), "short");
    output.columns = 20;
    expect(draw("y")).toBe("\u001b[5A\u001b[Jy\n");
  });
});
