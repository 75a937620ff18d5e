import { afterAll, beforeAll, describe, setDefaultTimeout, test } from "bun:test";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type DockerEngine, startDockerEngine } from "../fixtures/docker-engine.ts";
import { installBerth, runGuide } from "../fixtures/guides.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { isAvailable } from "../programs.ts";

setDefaultTimeout(60_000);

const guide = join(import.meta.dir, "..", "..", "docs", "keeping.md");

describe.skipIf(!isAvailable("dockerd", "docker"))("docs/keeping.md", () => {
  let folder: string;
  let berth: RunningRegistry;
  let engine: DockerEngine;
  let path: string;

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    const settings = /```yaml\n(gc:[\s\S]*?)```/.exec(await readFile(guide, "utf8"))?.[1] ?? "";
    await Bun.write(join(folder, "berth.yaml"), settings);
    const args = ["--config", join(folder, "berth.yaml")];
    [berth, engine] = await Promise.all([
      startBerth({ args, data: join(folder, "berth-data") }),
      startDockerEngine(),
    ]);
    for (const version of ["1.0", "2.0"]) {
      const context = join(folder, `ui-${version}`);
      await Bun.write(join(context, "content"), crypto.getRandomValues(new Uint8Array(50_000)));
      await Bun.write(
        join(context, "Dockerfile"),
        `FROM scratch\nLABEL version=${version}\nCOPY content /\n`,
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
