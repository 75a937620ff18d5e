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
/** What stands in the guide for what is made up anew each time, and where it is printed. */
const secrets = [
  { shown: "6f1d2c", printed: /fingerprint\s+([0-9a-f]{64})/ },
  { shown: "4w7k2h", printed: /the password (\w+)\./ },
];

describe.skipIf(!isAvailable("ip", "dockerd", "docker"))("docs/local-network.md", () => {
  let network: TestNetwork;
  /** One on the server, where what is pushed was built, and one on the client, which knows nothing of it. */
  let engines: Readonly<Record<"server" | "client", DockerEngine>>;
  let path: string;
  const staying: BackgroundProcess[] = [];

  beforeAll(async () => {
    network = await startNetwork();
    const [server, client] = await Promise.all(
      [network.server, network.client].map(({ inside }) => startDockerEngine({ inside })),
    );
    if (!server || !client) throw new Error("an engine is missing");
    engines = { server, client };
    const context = join(network.folder, "app");
    await writeBuildContext({ folder: context, seed: "app", layers: smallLayers });
    await server.docker("build", "--quiet", "--tag", "app", context);
    path = await installBerth(network.folder);
  });

  afterAll(async () => {
    await Promise.all(staying.map((one) => one.stop()));
    await Promise.all(Object.values(engines ?? {}).map((engine) => engine.stop()));
    await network?.stop();
  });

  /** Runs a command where the guide says. Resolves to what it printed, of one that stays what it printed so far. */
  async function run(
    { command, machine, stays, expected }: GuideCommand,
    isDone: (output: string) => boolean,
  ): Promise<string> {
    const name = machine === "server" ? "server" : "client";
    const place = network[name];
    const env = { ...engines[name].env, PATH: path, HOME: join(network.folder, name) };
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
    while (!isDone(started.output()) && Date.now() < deadline) await Bun.sleep(20);
    expect(expected.length).toBeGreaterThan(0);
    return started.output();
  }

  test("its commands lead from nothing to a pull over HTTPS, and back", async () => {
    const known = new Map<string, string>();
    const real = (text: string): string =>
      [...known].reduce(
        (all, [shown, one]) => all.replaceAll(`${shown}...`, one).replaceAll(shown, one),
        text,
      );
    const learn = (output: string): void => {
      for (const { shown, printed } of secrets) {
        const [, found] = printed.exec(output) ?? [];
        if (found !== undefined) known.set(shown, found);
      }
    };
    const ran: string[] = [];
    let setup = "";
    for (const shown of parseGuide(await readFile(guide, "utf8"))) {
      const command = real(shown.command);
      const isDone = (output: string): boolean => {
        learn(output);
        return isAsShown(output, shown.expected.map(real));
      };
      const output = await run({ ...shown, command }, isDone);
      if (!isDone(output)) expect(`line ${shown.line}\n${output}`).toBe(shown.expected.map(real).join("\n"));
      ran.push(command);
      if (ran.length === 1) setup = output;
    }
    const told = setup.split("\n").map((line) => line.trim());
    const [pull] = ran.flatMap((command, at) => (command.startsWith("docker pull") ? [at] : []));
    const needed = ran.slice(0, pull).filter((command) => command.startsWith("berth "));
    expect(needed).toEqual([
      "berth setup server registry.local",
      ...told.filter((line) => /^berth (?:serve|setup client) /.test(line)),
    ]);
  });
});
