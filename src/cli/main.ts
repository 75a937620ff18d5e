import { commands } from "./commands.ts";
import { runInProcess } from "./process.ts";
import { runCommandLine } from "./run.ts";

// A single-file executable has no other file to start: server/workers.ts starts it as a worker, too.
if (process.env.BERTH_WORKER !== undefined) await import("../server/worker.ts");
else {
  process.exitCode = await runInProcess((surroundings) =>
    runCommandLine(commands, process.argv.slice(2), surroundings),
  );
}
