import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isAvailable, programPath } from "../../tests/programs.ts";
import { makeContent, pushImage } from "../load.ts";
import { type Bench, mib } from "../measure.ts";
import { berthProgram, type Peer, peakMemoryOf, startBerth } from "../peers.ts";
import { type Figure, quantile, type Row } from "../report.ts";

const layers = 10;
const layerSize = 50 * mib;
const rounds = 3;

/** A client, by the commands with which it moves an image between a registry and an OCI layout. */
interface ImageClient {
  readonly name: string;
  pull(host: string, folder: string): readonly string[];
  push(folder: string, host: string): readonly string[];
}

const image = "bench/ten:latest";

function clients(): readonly ImageClient[] {
  const skopeo = programPath("skopeo");
  const found: ImageClient[] = [
    {
      name: "berth",
      pull: (host, folder) => [...berthProgram(), "copy", "-q", `${host}/${image}`, `oci:${folder}:latest`],
      push: (folder, host) => [...berthProgram(), "copy", "-q", `oci:${folder}:latest`, `${host}/${image}`],
    },
    {
      name: "skopeo",
      pull: (host, folder) => [
        skopeo,
        "copy",
        "-q",
        "--src-tls-verify=false",
        `docker://${host}/${image}`,
        `oci:${folder}:latest`,
      ],
      push: (folder, host) => [
        skopeo,
        "copy",
        "-q",
        "--dest-tls-verify=false",
        `oci:${folder}:latest`,
        `docker://${host}/${image}`,
      ],
    },
  ];
  if (isAvailable("crane")) {
    const crane = programPath("crane");
    found.push({
      name: "crane",
      pull: (host, folder) => [crane, "pull", "--insecure", "--format=oci", `${host}/${image}`, folder],
      push: (folder, host) => [crane, "push", "--insecure", folder, `${host}/${image}`],
    });
  }
  return found;
}

/** What a client took: milliseconds, MiB at most, seconds of processor time. */
interface Run {
  readonly ms: number;
  readonly peak: number;
  readonly cpu: number;
}

async function run(command: readonly string[], home: string): Promise<Run> {
  const began = performance.now();
  const child = Bun.spawn([...command], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, HOME: home, XDG_DATA_HOME: home },
  });
  // Looked at while it runs: what the system tells at the end counts the memory of the process that started it too.
  let peak = 0;
  const looking = setInterval(() => {
    peakMemoryOf(child.pid).then(
      (found) => {
        peak = Math.max(peak, found);
      },
      () => {}, // it has ended
    );
  }, 20);
  const code = await child.exited;
  const ms = performance.now() - began;
  clearInterval(looking);
  const usage = child.resourceUsage();
  if (code !== 0 || !usage)
    throw new Error(`${command.join(" ")}: ${await new Response(child.stderr).text()}`);
  return { ms, peak, cpu: Number(usage.cpuTime.total) / 1e6 };
}

/**
 * A whole image from a registry into a folder and back to an empty registry, by Berth and by others.
 *
 * crane's small figures are right: it lets the system send files (sendfile), computes no digest of what it pushes, and
 * waits for no disk where it pulls; Berth and skopeo verify both ways and make durable what they pulled.
 */
export async function clientRows({ folder, berth }: Bench): Promise<Row[]> {
  const place = join(folder, "client");
  await mkdir(place, { recursive: true });
  const contents = Array.from({ length: layers }, () => makeContent(layerSize));
  await pushImage(berth.url, "bench/ten", "latest", contents);
  const all = clients().map((client) => ({
    client,
    layout: join(place, client.name),
    pulls: [] as Run[],
    pushes: [] as Run[],
    requests: [] as number[],
  }));
  for (let round = 0; round < rounds; round++) {
    for (const { client, layout, pulls, pushes, requests } of all) {
      await rm(layout, { recursive: true, force: true });
      pulls.push(await run(client.pull(new URL(berth.url).host, layout), place));
      const data = join(place, "registry");
      const empty = await startBerth(data);
      const push = client.push(layout, new URL(empty.url).host);
      pushes.push(await run(push, place));
      const before = await countRequests(empty);
      await run(push, place);
      requests.push((await countRequests(empty)) - before);
      await empty.process.stop();
      await rm(data, { recursive: true });
    }
  }
  await rm(place, { recursive: true });
  const row = (name: string, runs: (each: (typeof all)[number]) => readonly Run[]): Row => ({
    name,
    unit: "ms",
    higherIsBetter: false,
    figures: all.map((each) => toFigure(each.client.name, runs(each))),
  });
  return [
    row("pull an image of ten layers, 500 MiB, into an OCI layout", ({ pulls }) => pulls),
    row("push it from there to an empty registry", ({ pushes }) => pushes),
    {
      name: "push it again, when it is there",
      unit: "requests",
      higherIsBetter: false,
      figures: all.map(({ client, requests }) => ({ peer: client.name, samples: requests })),
    },
  ];
}

function toFigure(peer: string, runs: readonly Run[]): Figure {
  const middle = (values: readonly number[]): string => quantile(values, 0.5).toFixed(1);
  const peak = Math.max(...runs.map((each) => each.peak)).toFixed(0);
  const cpu = middle(runs.map((each) => each.cpu));
  return { peer, samples: runs.map(({ ms }) => ms), note: `at most ${peak} MiB, ${cpu} CPU s` };
}

async function countRequests({ url }: Peer): Promise<number> {
  const text = await fetch(`${url}/metrics`).then((response) => response.text());
  let sum = 0;
  for (const [, route, count] of text.matchAll(
    /^berth_http_requests_total\{[^}]*route="(\w+)"[^}]*\} (\d+)$/gm,
  )) {
    if (route !== "page" && route !== "api") sum += Number(count);
  }
  return sum;
}
