// Nothing is imported here: a container's first process does not end by a signal that it has no handler for, and what is
// imported would be loaded before there is one.
const endAtOnce = (signal: NodeJS.Signals): void => process.exit(signal === "SIGINT" ? 130 : 143);
process.on("SIGTERM", endAtOnce).on("SIGINT", endAtOnce);

// No await either: the program is also built as CommonJS, which starts faster and knows none at the top of a file.
void main();

async function main(): Promise<void> {
  // A single-file executable has no other file to start: server/workers.ts starts it as a worker, too.
  if (process.env.BERTH_WORKER !== undefined) {
    await import("../server/worker.ts");
    process.off("SIGTERM", endAtOnce).off("SIGINT", endAtOnce);
    return;
  }
  const busy = setInterval(() => {}, 60_000); // a promise alone does not keep the process until its exit code is known
  const [{ commands }, { runInProcess }, { runCommandLine }] = await Promise.all([
    import("./commands.ts"),
    import("./process.ts"),
    import("./run.ts"),
  ]);
  process.exitCode = await runInProcess((surroundings) => {
    process.off("SIGTERM", endAtOnce).off("SIGINT", endAtOnce); // from here on they abort `surroundings.signal`
    return runCommandLine(commands, process.argv.slice(2), surroundings);
  });
  clearInterval(busy);
}
