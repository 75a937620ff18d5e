import { commands } from "./commands.ts";
import { processSurroundings } from "./process.ts";
import { runCommandLine } from "./run.ts";

process.exitCode = await runCommandLine(commands, process.argv.slice(2), processSurroundings());
