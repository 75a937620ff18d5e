import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type DockerEngine, startDockerEngine } from "../fixtures/docker-engine.ts";
import { type GuideCommand, installBerth, isAsShown, parseGuide } from "../fixtures/guides.ts";
import { smallLayers, writeBuildContext } from "../fixtures/images.ts";
import { startNetwork, type TestNetwork } from "../fixtures/machines.ts";
import type { BackgroundProcess } from "../fixtures/processes.ts";
import { isAvailable } from "../programs.ts";

setDefaultTimeout(60_000);

const guide = join(import.meta.dir, "..", "..", "docs", "local-network.md");
/** What stands in the guide for a fingerprint. */
const fingerprintShown = "6f1d2c";

describe.skipIf(!isAvailable("ip", "dockerd", "docker"))("docs/local-network.md", () => {
  let network: TestNetwork;
  let engine: DockerEngine;
  let path: string;
  const staying: BackgroundProcess[] = [];

  beforeAll(async () => {
    network = await startNetwork();
    engine = await startDockerEngine({ inside: network.client.inside });
    const context = join(network.folder, "app");
    await writeBuildContext({ folder: context, seed: "app", layers: smallLayers });
    await engine.docker("build", "--quiet", "--tag", "app", context);
    path = await installBerth(network.folder);
  });

  afterAll(async () => {
    await Promise.all(staying.map((one) => one.stop()));
    await engine?.stop();
    await network?.stop();
  });

  /** Runs a command where the guide says. Resolves to what it printed, of one that stays what it printed so far. */
  async function run(
    { command, machine, stays, expected }: GuideCommand,
    shown: readonly string[],
  ): Promise<string> {
    const place = machine === "server" ? network.server : network.client;
    const env = {
      ...engine.env,
      PATH: path,
      HOME: network.folder,
    };
    const options = { cwd: network.folder, env };
    if (!stays) {
      const { stdout, stderr, exitCode } = await place.attempt(
        ["bash", "-c", `exec 2>&1; ${command}`],
        options,
      );
      return exitCode === 0 ? stdout : `${stdout}${stderr}\n(exit code ${exitCode})`;
    }
    const started = place.start(["bash", "-c", `exec ${command}`], options);
    staying.push(started);
    const deadline = Date.now() + 10_000;
    while (!isAsShown(started.output(), shown) && Date.now() < deadline) await Bun.sleep(20);
    expect(expected.length).toBeGreaterThan(0);
    return started.output();
  }

  test("its commands lead from nothing to a pull over HTTPS, and back", async () => {
    let fingerprint = fingerprintShown;
    for (const shown of parseGuide(await readFile(guide, "utf8"))) {
      const real = (text: string) =>
        text.replaceAll(`${fingerprintShown}...`, fingerprint).replaceAll(fingerprintShown, fingerprint);
      const expected = shown.expected.map(real);
      const output = await run({ ...shown, command: real(shown.command) }, expected);
      fingerprint = /fingerprint\s+([0-9a-f]{64})/.exec(output)?.[1] ?? fingerprint;
      if (!isAsShown(output, expected)) expect(`line ${shown.line}\n${output}`).toBe(expected.join("\n"));
    }
  });
});
