import { afterAll, beforeAll, describe, setDefaultTimeout, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { startBerthCommand } from "./fixtures/command-lines.ts";
import { type DockerEngine, startDockerEngine } from "./fixtures/docker-engine.ts";
import { installBerth, runGuide } from "./fixtures/guides.ts";
import { writeLayout } from "./fixtures/layouts.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "./fixtures/registries.ts";
import { isAvailable } from "./programs.ts";

setDefaultTimeout(180_000);

const guide = join(import.meta.dir, "..", "docs", "image-workflow.md");

describe.skipIf(!isAvailable("dockerd", "docker"))("docs/image-workflow.md", () => {
  let folder: string;
  let berth: RunningRegistry;
  let engine: DockerEngine;
  let path: string;

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    await Bun.write(join(folder, "password.txt"), "correct horse battery staple\n");
    const access = { open: "none", "admin-password-file": join(folder, "password.txt") };
    await Bun.write(join(folder, "berth.yaml"), JSON.stringify({ access })); // JSON is YAML
    const settings = ["--config", join(folder, "berth.yaml")];
    [berth, engine] = await Promise.all([startBerth({ args: settings }), startDockerEngine()]);

    const layout = join(folder, "layout");
    await writeLayout({
      folder: layout,
      seed: "ui",
      layers: [2_000, 300_000, 4_000_000],
      platforms: ["linux/amd64"],
    });
    await startBerthCommand([
      "copy",
      `oci:${layout}`,
      `oci-archive:${join(folder, "ui.tar")}:docker.io/library/ui:1.0`,
    ]);

    path = await installBerth(folder);
  });

  afterAll(async () => {
    await Promise.all([berth?.stop(), engine?.stop()]);
    await rm(folder, { recursive: true, force: true });
  });

  test("its commands do and print what it says", async () => {
    const env = {
      ...engine.env,
      PATH: path,
      HOME: folder,
      XDG_DATA_HOME: undefined,
      XDG_RUNTIME_DIR: undefined,
    };
    const host = berth.host.replace("127.0.0.1", "localhost");
    await runGuide(guide, { cwd: folder, env, replace: { "localhost:5000": host } });
  });
});
