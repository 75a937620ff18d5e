import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openLayout } from "../src/layout/layout.ts";
import { writeLayout } from "./fixtures/layouts.ts";
import { makeTemporaryFolder, succeed } from "./fixtures/processes.ts";
import { startInTerminal } from "./fixtures/terminals.ts";
import { nameOnlyImage } from "./fixtures/users.ts";
import { isAvailable, programPath } from "./programs.ts";

setDefaultTimeout(30_000); // several shells and Berth are started for each

let folder: string;
let env: Record<string, string>;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  const main = join(import.meta.dir, "..", "src", "cli", "main.ts");
  const berth = join(folder, "berth");
  await writeFile(berth, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
  await chmod(berth, 0o755);
  await mkdir(join(folder, "settings-here"));
  await writeFile(join(folder, "settings.yaml"), "");
  const images = join(folder, "images");
  await writeLayout({ folder: images, seed: "completion", layers: [1], platforms: ["linux/amd64"] });
  await nameOnlyImage(openLayout(images), "registry.example.com:5000/gallery/ui:1.0");
  env = {
    PATH: `${folder}:${process.env.PATH}`,
    HOME: folder,
    PS1: "> ",
    XDG_CONFIG_HOME: folder,
    XDG_DATA_HOME: folder,
    BERTH_IMAGES: images,
  };
});
afterAll(() => rm(folder, { recursive: true }));

/** Command lines, and what stands there after the tabulator key. */
const lines: [string, RegExp][] = [
  ["berth compl", /berth completion /],
  ["berth completion z", /berth completion zsh/],
  ["berth push registry.example.com:5000/gal", /berth push registry\.example\.com:5000\/gallery\/ui:1\.0/],
  ["berth repo ls reg", /berth repo ls registry\.example\.com:5000/],
  ["berth serve --tls-c", /berth serve --tls-certificate/],
  ["berth serve --config settings.", /berth serve --config settings\.yaml/],
  ["berth serve --data settings-", /berth serve --data settings-here\//],
];

describe.skipIf(!isAvailable("bash"))("berth completion bash", () => {
  test.each(lines)("bash completes %p", async (typed, expected) => {
    const shell = startInTerminal(programPath("bash"), ["--noprofile", "--norc", "-i"], { cwd: folder, env });
    try {
      await shell.waitForText(/> $/);
      shell.write('source <(berth completion bash); PS1="ready% "\n');
      await shell.waitForText(/ready% $/);
      const from = shell.output().length;
      shell.write(`${typed}\t`);
      await shell.waitForText(expected, from);
    } finally {
      await shell.close();
    }
  });

  test("bash offers what begins with an equals sign or behind a colon without what stands before it", async () => {
    const script = `source <(berth completion bash)
      COMP_LINE='berth serve --config=sett' COMP_POINT=25
      _berth; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const offered = await succeed(programPath("bash"), ["--norc", "-c", script], { cwd: folder, env });
    expect(offered.split("\n").sort()).toEqual(["settings-here", "settings.yaml"]);
  });
});

describe.skipIf(!isAvailable("zsh"))("berth completion zsh", () => {
  test.each(lines)("zsh completes %p", async (typed, expected) => {
    const shell = startInTerminal(programPath("zsh"), ["-f", "-i"], { cwd: folder, env });
    try {
      shell.write('autoload -U compinit; compinit -D; source <(berth completion zsh); PS1="ready%% "\n');
      await shell.waitForText(/ready% (?!.*ready% )/s);
      const from = shell.output().length;
      shell.write(`${typed}\t`);
      await shell.waitForText(expected, from);
    } finally {
      await shell.close();
    }
  });
});

describe.skipIf(!isAvailable("fish"))("berth completion fish", () => {
  test.each(lines)("fish completes %p", async (typed, expected) => {
    const script = "berth completion fish | source; complete -C $argv[1]";
    const offered = await succeed(programPath("fish"), ["--no-config", "-c", script, typed], {
      cwd: folder,
      env,
    });
    const before = typed.slice(0, typed.lastIndexOf(" ") + 1);
    expect(`${before}${offered.split("\t")[0]} `).toMatch(expected);
    expect(offered.split("\n")).toHaveLength(1);
  });
});
