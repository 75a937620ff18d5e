import type { Surroundings } from "../command.ts";
import { coloursFor } from "./colours.ts";

type Streams = Pick<Surroundings, "stderr" | "env">;

/** Says on standard error what went wrong. */
export function printError({ stderr, env }: Streams, message: string): void {
  stderr.write(`${coloursFor(stderr, env).red("berth:")} ${message}\n`);
}

/** Says on standard error what a person should know, of something that was done nevertheless. */
export function printWarning({ stderr, env }: Streams, message: string): void {
  stderr.write(`${coloursFor(stderr, env).yellow("berth: warning:")} ${message}\n`);
}
