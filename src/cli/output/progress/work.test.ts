import { describe, expect, test } from "bun:test";
import { recordOutput } from "../../../../tests/fixtures/command-lines.ts";
import { createWorkProgress } from "./work.ts";

const state = (text: string) => ({ text, json: { text } });

function show(options: { json?: boolean; quiet?: boolean; columns?: number }): string {
  const { output, text } = recordOutput(options.columns);
  const progress = createWorkProgress(output, { json: options.json ?? false, quiet: options.quiet ?? false });
  progress.tell(() => state("1 of 2 blobs, and more than fits"));
  progress.tell(() => state("told too soon"));
  progress.say(state("a fault"));
  progress.end();
  return text();
}

describe("createWorkProgress", () => {
  test("tell draws one line on a terminal, which what is said takes the place of", () => {
    expect(show({ columns: 10 })).toBe("\u001b[J1 of 2 bl\n\u001b[1A\u001b[Ja fault\n\u001b[J");
  });

  test("tell prints nothing at first elsewhere, JSON at once, and nothing at all when asked for quiet", () => {
    expect(show({})).toBe("a fault\n");
    expect(show({ json: true })).toBe('{"text":"1 of 2 blobs, and more than fits"}\n{"text":"a fault"}\n');
    expect(show({ quiet: true })).toBe("a fault\n");
  });
});
