// `npm start`: installs what is missing and serves. Arguments go to `berth serve`: npm start -- --listen 127.0.0.1:5001
import { runBerth } from "./program.mjs";
import { installDependencies } from "./runtime.mjs";

installDependencies();
process.exitCode = await runBerth(["serve", ...process.argv.slice(2)]);
