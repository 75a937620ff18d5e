// `npm run bench`: installs what is missing and runs the benchmarks. Arguments go to them.
import { join } from "node:path";
import { findBun, installDependencies, root, run } from "./runtime.mjs";

installDependencies();
const bun = findBun();
await run(bun, [join(root, "tests", "programs.ts"), "bench"]);
process.exitCode = await run(bun, [join(root, "bench", "main.ts"), ...process.argv.slice(2)]);
