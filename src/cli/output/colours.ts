import type { Surroundings } from "../command.ts";
import type { Output } from "../terminal.ts";

const codes = { red: 31, green: 32, yellow: 33, blue: 34, cyan: 36, bold: 1, dim: 2 } as const;

/** Wraps text in what makes a terminal show it so. */
export type Colours = { readonly [Name in keyof typeof codes]: (text: string) => string };

/** Colours for a terminal that can show them; elsewhere, and with NO_COLOR (https://no-color.org), text stays as it is. */
export function coloursFor(output: Output, env: Surroundings["env"]): Colours {
  const isWanted = output.isTerminal && !env.NO_COLOR && env.TERM !== "dumb";
  const entries = Object.entries(codes).map(([name, code]) => {
    return [name, (text: string) => (isWanted ? `\u001b[${code}m${text}\u001b[0m` : text)] as const;
  });
  return Object.fromEntries(entries) as Colours; // safe: the keys of `codes`
}
