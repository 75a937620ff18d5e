/** Runs a program to its end. @throws when it cannot be started or fails, with what it said */
export type RunProgram = (argv: readonly string[]) => Promise<void>;

/** Runs programs of this machine. */
export const runProgram: RunProgram = async (argv) => {
  const child = Bun.spawn([...argv], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with exit code ${code}: ${(err || out).trim()}`);
};
