import { afterAll, beforeAll, describe, setDefaultTimeout, test } from "bun:test";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type DockerEngine, startDockerEngine } from "../fixtures/docker-engine.ts";
import { installBerth, runGuide } from "../fixtures/guides.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { isAvailable } from "../programs.ts";

setDefaultTimeout(180_000);

const guide = join(import.meta.dir, "..", "..", "docs", "tags.md");

describe.skipIf(!isAvailable("dockerd", "docker"))("docs/tags.md", () => {
  let folder: string;
  let berth: RunningRegistry;
  let engine: DockerEngine;
  let path: string;

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    const rule = /```yaml\n(tags:[\s\S]*?)```/.exec(await readFile(guide, "utf8"))?.[1] ?? "";
    await Bun.write(join(folder, "berth.yaml"), rule);
    const settings = ["--config", join(folder, "berth.yaml")];
    [berth, engine] = await Promise.all([startBerth({ args: settings }), startDockerEngine()]);
    for (const version of ["2.1.2", "2.1.3", "3.0.0-rc.1", "2.0.9", "2.2.0"]) {
      const context = join(folder, `ui-${version}`);
      await Bun.write(join(context, "version"), version);
      await Bun.write(
        join(context, "Dockerfile"),
        `FROM scratch\nLABEL version=${version}\nCOPY version /\n`,
      );
      await engine.docker("build", "--quiet", "--tag", `ui:${version}`, context);
    }
    path = await installBerth(folder);
  });

  afterAll(async () => {
    await Promise.all([berth?.stop(), engine?.stop()]);
    await rm(folder, { recursive: true, force: true });
  });

  test("its commands do and print what it says", async () => {
    const env = { ...engine.env, PATH: path, HOME: folder };
    const host = berth.host.replace("127.0.0.1", "localhost");
    await runGuide(guide, { cwd: folder, env, replace: { "localhost:5000": host } });
  });
});
