import { type Surroundings, UsageError } from "./command.ts";

/**
 * Reads a new password: from standard input when the flag says so, else a person is asked twice.
 * @throws UsageError when nobody can be asked, or both differ
 */
export async function readNewPassword(
  { stdin, signal }: Pick<Surroundings, "stdin" | "signal">,
  isFromStdin: boolean,
): Promise<string> {
  if (isFromStdin) return (await new Response(stdin.stream()).text()).replace(/\r?\n$/, "");
  const ask = async (prompt: string) => (await askSecret(prompt, { stdin, signal })) ?? "";
  const password = await ask("New password: ");
  if ((await ask("Again: ")) !== password) throw new UsageError("the two passwords differ");
  return password;
}

/** Asks a person for what nobody else is to see; `undefined` at the end of the input. @throws UsageError when nobody can be asked */
export async function askSecret(
  prompt: string,
  { stdin, signal }: Pick<Surroundings, "stdin" | "signal">,
): Promise<string | undefined> {
  if (!stdin.isTerminal) {
    throw new UsageError(
      "nobody can be asked for a password, as standard input is no terminal: use --password-stdin",
    );
  }
  return stdin.readLine({ prompt, echo: false, signal });
}
