import { commands } from "./commands.ts";
import { runInProcess } from "./process.ts";
import { runCommandLine } from "./run.ts";

// No await here: the program is also built as CommonJS, which starts faster and knows none at the top of a file.
void main();

async function main(): Promise<void> {
  // A single-file executable has no other file to start: server/workers.ts starts it as a worker, too.
  if (process.env.BERTH_WORKER !== undefined) {
    await import("../server/worker.ts");
    return;
  }
  const busy = setInterval(() => {}, 60_000); // a promise alone does not keep the process until its exit code is known
  process.exitCode = await runInProcess((surroundings) =>
    runCommandLine(commands, process.argv.slice(2), surroundings),
  );
  clearInterval(busy);
}
