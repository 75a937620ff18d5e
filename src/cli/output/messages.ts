import type { Surroundings } from "../command.ts";
import { coloursFor } from "./colours.ts";

type Streams = Pick<Surroundings, "stderr" | "env">;

/** Says on standard error what went wrong. */
export function printError({ stderr, env }: Streams, message: string): void {
  stderr.write(`${coloursFor(stderr, env).red("berth:")} ${message}\n`);
}

/** What was warned of already, by the stream. */
const warned = new WeakMap<Streams["stderr"], Set<string>>();

/**
 * Says on standard error what a person should know, of something that was done nevertheless; the same once, though a
 * registry says it to the copy as well as to the client.
 */
export function printWarning({ stderr, env }: Streams, message: string): void {
  const before = warned.get(stderr) ?? new Set();
  if (before.has(message)) return;
  warned.set(stderr, before.add(message));
  stderr.write(`${coloursFor(stderr, env).yellow("berth: warning:")} ${message}\n`);
}
