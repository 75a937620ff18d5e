// `npm run build`: makes what a package contains beside the sources. `-- FOLDER` makes it there instead.
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { buildLibrary } from "./library.mjs";
import { buildProgram } from "./program.mjs";
import { findBun, root } from "./runtime.mjs";

const [given] = process.argv.slice(2);
const folder = given === undefined ? join(root, "dist") : resolve(given);
for (const part of ["program", "library"]) rmSync(join(folder, part), { recursive: true, force: true });
buildProgram(findBun(), join(folder, "program"));
buildLibrary(join(folder, "library"));
