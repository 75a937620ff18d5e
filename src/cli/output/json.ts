import type { Output } from "../terminal.ts";

/** Prints a value as JSON in one line. Lists are printed value by value, so that they can be read as they come. */
export function writeJson(output: Output, value: unknown): void {
  output.write(`${JSON.stringify(value)}\n`);
}
