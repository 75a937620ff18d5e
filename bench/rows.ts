import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { attempt } from "../tests/fixtures/processes.ts";
import { programPath } from "../tests/programs.ts";
import { type Content, frame, makeContent, pull, pushBlob, pushImage } from "./load.ts";
import { cpuSeconds, memory, type Peer, startBerth, startDockerRegistry, startNginx } from "./peers.ts";
import { type Figure, quantile, type Row } from "./report.ts";

/** What the rows run against. */
export interface Bench {
  readonly folder: string;
  readonly berth: Peer;
  readonly docker: Peer;
}

const mib = 1024 * 1024;

/** Measures `action` for each peer, one after the other, `rounds` times, what it needs prepared before; samples are MB a second. */
async function throughput<Prepared>(
  peers: readonly Peer[],
  rounds: number,
  bytes: number,
  prepare: () => Prepared,
  action: (peer: Peer, prepared: Prepared) => Promise<unknown>,
): Promise<Figure[]> {
  const figures = peers.map((peer) => ({ peer, samples: [] as number[], cpu: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const { peer, samples, cpu } of figures) {
      const prepared = prepare();
      const before = await cpuSeconds(peer);
      const began = performance.now();
      await action(peer, prepared);
      samples.push(bytes / 1e3 / (performance.now() - began));
      cpu.push(((await cpuSeconds(peer)) - before) / (bytes / 1024 ** 3));
    }
  }
  return figures.map(({ peer, samples, cpu }) => ({
    peer: peer.name,
    samples,
    note: `${quantile(cpu, 0.5).toFixed(2)} CPU s/GiB`,
  }));
}

export async function pushRows({ berth, docker }: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const streamed of [false, true]) {
    for (const [size, count] of [
      [1, 20],
      [10, 8],
      [100, 5],
    ] as const) {
      const make = (): Content => {
        const content = makeContent(size * mib);
        return streamed ? { ...content, framed: frame(content.bytes) } : content;
      };
      const figures = await throughput([berth, docker], count, size * mib, make, (peer, content) =>
        pushBlob(peer.url, "bench/push", content, streamed),
      );
      const name = `push a ${size} MiB blob, ${streamed ? "streamed" : "in one request"}`;
      rows.push({ name, unit: "MB/s", higherIsBetter: true, figures });
    }
  }
  return rows;
}

export async function pullRows({ folder, berth, docker }: Bench): Promise<Row[]> {
  const files = join(folder, "nginx");
  await mkdir(files, { recursive: true });
  const nginx = await startNginx(files);
  const rows: Row[] = [];
  for (const [size, repeats, rounds] of [
    [1, 50, 5],
    [10, 10, 5],
    [100, 4, 5],
  ] as const) {
    const content = makeContent(size * mib);
    await writeFile(join(files, `blob-${size}`), content.bytes);
    for (const peer of [berth, docker]) await pushBlob(peer.url, "bench/pull", content, false);
    const figures = await throughput(
      [berth, docker, nginx],
      rounds,
      size * mib * repeats,
      () => undefined,
      async (peer) => {
        const path = peer === nginx ? `blob-${size}` : `v2/bench/pull/blobs/${content.digest}`;
        for (let repeat = 0; repeat < repeats; repeat++) await pull(`${peer.url}/${path}`);
      },
    );
    rows.push({ name: `pull a ${size} MiB blob`, unit: "MB/s", higherIsBetter: true, figures });
  }
  await nginx.process.stop();
  return rows;
}

async function requestsPerSecond(program: "wrk" | "ab", url: string): Promise<number> {
  const args = program === "wrk" ? ["-t1", "-c32", "-d3"] : ["-q", "-i", "-k", "-c32", "-n", "30000"];
  const accept = "Accept: application/vnd.oci.image.manifest.v1+json";
  const { stdout } = await attempt(programPath(program), [...args, "-H", accept, url]);
  const found = /Requests(?:\/sec| per second):\s+([\d.]+)/.exec(stdout)?.[1];
  if (found === undefined || /Non-2xx/.test(stdout)) throw new Error(`${program} ${url}:\n${stdout}`);
  return Number(found);
}

export async function requestRows({ folder, berth, docker }: Bench): Promise<Row[]> {
  const layer = makeContent(2000);
  const two = {
    ...(await startBerth(join(folder, "berth-2"), ["--workers", "2"])),
    name: "berth, 2 workers",
  };
  const peers = [berth, docker, two];
  for (const { url } of peers) await pushImage(url, "bench/tag", "latest", [layer]);
  const manifest = "/v2/bench/tag/manifests/latest";
  const head = `/v2/bench/tag/blobs/${layer.digest}`;
  const rows: Row[] = [];
  for (const [name, program, path] of [
    ["manifest by tag", "wrk", manifest],
    ["HEAD of a blob", "ab", head],
  ] as const) {
    const figures = peers.map(({ name: peer }) => ({ peer, samples: [] as number[] }));
    for (let round = 0; round < 3; round++) {
      for (const [at, peer] of peers.entries())
        figures[at]?.samples.push(await requestsPerSecond(program, peer.url + path));
    }
    rows.push({ name: `${name} (${program}, 32 connections)`, unit: "req/s", higherIsBetter: true, figures });
  }
  await two.process.stop();
  return rows;
}

export async function imageRows({ berth, docker }: Bench): Promise<Row[]> {
  const figures: Figure[] = [];
  for (const peer of [berth, docker]) {
    const samples: number[] = [];
    const lane = async (name: number): Promise<void> => {
      for (let image = 0; image < 15; image++) {
        const layers = [makeContent(3000), makeContent(3000), makeContent(3000)];
        const began = performance.now();
        await pushImage(peer.url, `bench/image-${name}`, `v${image}`, layers);
        samples.push(performance.now() - began);
      }
    };
    await Promise.all([0, 1, 2, 3].map(lane));
    figures.push({ peer: peer.name, samples });
  }
  return [
    { name: "push a small image of three layers, four at once", unit: "ms", higherIsBetter: false, figures },
  ];
}

export async function listRows({ berth, docker }: Bench): Promise<Row[]> {
  const measure = async (name: string, path: string): Promise<Row> => {
    const figures: Figure[] = [];
    for (const { name: peer, url } of [berth, docker]) {
      const samples: number[] = [];
      for (let round = 0; round < 20; round++) {
        const began = performance.now();
        await pull(url + path);
        samples.push(performance.now() - began);
      }
      figures.push({ peer, samples });
    }
    return { name, unit: "ms", higherIsBetter: false, figures };
  };
  const layer = makeContent(100);
  // docker-registry refuses some of several pushes of one new blob at once.
  for (const { url } of [berth, docker]) await pushImage(url, "bench/tags", "first", [layer]);
  const fill = async (count: number, push: (peer: Peer, at: number) => Promise<void>): Promise<void> => {
    for (const peer of [berth, docker]) {
      let at = 0;
      const lane = async (): Promise<void> => {
        while (at < count) await push(peer, at++);
      };
      await Promise.all(Array.from({ length: 8 }, lane));
    }
  };
  await fill(1000, (peer, at) => pushImage(peer.url, "bench/tags", `v${at}`, [layer]));
  const tags = await measure("list 1,000 tags", "/v2/bench/tags/tags/list");
  const few = await measure("first 100 repositories, of few", "/v2/_catalog?n=100");
  await fill(2000, (peer, at) => pushImage(peer.url, `many/r${at}`, "latest", []));
  return [tags, few, await measure("first 100 repositories, of 2,000", "/v2/_catalog?n=100")];
}

export async function processRows({ folder, berth, docker }: Bench): Promise<Row[]> {
  const starts: Record<string, number[]> = { empty: [], full: [], docker: [] };
  await berth.process.stop();
  await docker.process.stop();
  for (let round = 0; round < 5; round++) {
    const peers = {
      empty: await startBerth(join(folder, `start-${round}`)),
      full: await startBerth(join(folder, "berth")),
      docker: await startDockerRegistry(join(folder, "docker")),
    };
    for (const [name, peer] of Object.entries(peers)) {
      starts[name]?.push(peer.startedInMs);
      await peer.process.stop();
    }
  }
  const [own, other] = [
    await startBerth(join(folder, "berth")),
    await startDockerRegistry(join(folder, "docker")),
  ];
  const idle = [own, other].map(async (peer) => ({ peer: peer.name, samples: [await memory(peer)] }));
  const idleFigures = await Promise.all(idle);
  const busyFigures: Figure[] = [];
  for (const peer of [own, other]) {
    const samples: number[] = [];
    const timer = setInterval(async () => samples.push(await memory(peer)), 50);
    const content = makeContent(50 * mib);
    // The same bytes to each of 50 repositories: each upload is received, hashed and compared by itself.
    await Promise.all(
      Array.from({ length: 50 }, (_, at) => pushBlob(peer.url, `memory/r${at}`, content, false)),
    );
    clearInterval(timer);
    busyFigures.push({ peer: peer.name, samples: [Math.max(...samples)] });
    await peer.process.stop();
  }
  const start = { name: "first answer after the start", unit: "ms", higherIsBetter: false };
  return [
    {
      ...start,
      figures: [
        { peer: "berth", samples: starts.empty ?? [], note: "empty store" },
        { peer: "berth, full store", samples: starts.full ?? [] },
        { peer: "docker-registry", samples: starts.docker ?? [] },
      ],
    },
    { name: "memory, idle", unit: "MiB", higherIsBetter: false, figures: idleFigures },
    {
      name: "memory, at most, 50 uploads of 50 MiB at once",
      unit: "MiB",
      higherIsBetter: false,
      figures: busyFigures,
    },
  ];
}
