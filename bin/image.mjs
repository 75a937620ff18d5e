// `npm run image`: the container image of Berth, made by Berth without a daemon. `-- --help` tells what else it takes.
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildExecutable } from "./executables.mjs";
import { runBerth } from "./program.mjs";
import { fail, findBun, installDependencies, root, run } from "./runtime.mjs";

const help = `npm run image -- [OPTIONS]

Makes dist/image/layout, an OCI image layout, and for each platform an archive that docker load reads.

  --push REGISTRY/NAME[:TAG]   also push it there, with the logins of docker; may be given several times
  --output FOLDER              instead of dist/image
  --platform linux/ARCH        only this one: linux/amd64 or linux/arm64; may be given several times
  --source URL                 where the source code is published, for the label
  --revision COMMIT            instead of the checkout's own, for the label
`;
const executables = { "linux/amd64": "linux-x64", "linux/arm64": "linux-arm64" };

const { values } = read();
if (values.help) console.log(help);
else process.exitCode = await makeImage(values).catch((error) => fail(`npm run image: ${error.message}`));

function read() {
  const text = { type: "string" };
  const options = { push: { ...text, multiple: true }, platform: { ...text, multiple: true } };
  const single = { output: text, source: text, revision: text, help: { type: "boolean" } };
  try {
    return parseArgs({ options: { ...options, ...single } });
  } catch (error) {
    return fail(`${error.message}\n\n${help}`);
  }
}

async function makeImage({ push = [], platform = Object.keys(executables), output, source, revision }) {
  const unknown = platform.find((name) => !Object.hasOwn(executables, name));
  if (unknown !== undefined)
    fail(`there is no image for ${unknown}: choose among ${Object.keys(executables).join(", ")}`);
  installDependencies();
  const bun = findBun();
  const made = resolve(output ?? join(root, "dist", "image"));
  const folder = join(made, "executables");
  const built = platform.map((name) => `${name.split("/")[1]}=${buildExecutable(executables[name], folder)}`);
  const told = Object.entries({ output: made, source, revision }).filter(([, value]) => value !== undefined);
  const flags = told.map(([name, value]) => `--${name}=${value}`);
  const exitCode = await run(bun, [join(root, "deploy", "image", "main.ts"), ...flags, ...built]);
  rmSync(folder, { recursive: true });
  if (exitCode !== 0) return exitCode;
  for (const reference of push) {
    const pushed = await runBerth(["copy", `oci:${join(made, "layout")}:latest`, reference]);
    if (pushed !== 0) return pushed;
  }
  return 0;
}
