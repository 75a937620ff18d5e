import { commands } from "./commands.ts";
import { runInProcess } from "./process.ts";
import { runCommandLine } from "./run.ts";

process.exitCode = await runInProcess((surroundings) =>
  runCommandLine(commands, process.argv.slice(2), surroundings),
);
