// `npm run build`: makes what a package contains beside the sources. `-- FOLDER` makes it there instead.
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { buildProgram, packaged } from "./program.mjs";
import { findBun } from "./runtime.mjs";

const [given] = process.argv.slice(2);
const folder = given === undefined ? packaged : resolve(given);
rmSync(folder, { recursive: true, force: true });
buildProgram(findBun(), folder);
