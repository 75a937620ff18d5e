// The library as JavaScript with types, for Node and bundlers, which load no TypeScript from a package. Bun loads the
// sources.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./runtime.mjs";

/** Makes the files that `exports` and `imports` of package.json name. @throws with what the compiler says */
export function buildLibrary(folder) {
  const compiler = join(root, "node_modules", ".bin", "tsc");
  const args = ["--project", join(root, "tsconfig.library.json"), "--outDir", folder];
  const shell = process.platform === "win32";
  const { status, stdout, error } = spawnSync(compiler, args, { cwd: root, encoding: "utf8", shell });
  if (status !== 0) throw new Error(`could not build the library: ${error?.message ?? stdout}`);
  for (const name of readdirSync(folder, { recursive: true })) {
    if (name.endsWith(".d.ts")) nameJavaScript(join(folder, name));
  }
}

// The compiler leaves the names of sources in types, which not every version of it finds then.
function nameJavaScript(path) {
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace(/((?:from|import)\s*\(?\s*"\.{1,2}\/[^"]+)\.ts"/g, '$1.js"'));
}
