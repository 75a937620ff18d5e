import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { headsPerSecond, makeContent, pull, pushImage } from "../load.ts";
import { type Bench, mib } from "../measure.ts";
import { type Peer, startBerth, startNginx } from "../peers.ts";
import { type Figure, quantile, type Row } from "../report.ts";
import { startSaturation } from "../saturation.ts";
import { wrk } from "../wrk.ts";

const manifestPath = "/v2/bench/tag/manifests/latest";
const rounds = 3;
const roundMs = 3000;

/** Small requests: a manifest by tag, the HEAD of a blob, and a manifest while the disk is full of work. */
export async function requestRows({ folder, berth, docker }: Bench): Promise<Row[]> {
  const two = {
    ...(await startBerth(join(folder, "berth-2"), ["--workers", "2"])),
    name: "berth, 2 workers",
  };
  const nginx = await startNginx(await nginxFolder(folder));
  const layer = makeContent(20_000);
  for (const { url } of [berth, docker, two]) await pushImage(url, "bench/tag", "latest", [layer]);
  const manifest = await fetch(berth.url + manifestPath).then((response) => response.text());
  await writeFile(join(folder, "nginx", "manifest"), manifest);
  const head = `/v2/bench/tag/blobs/${layer.digest}`;
  try {
    return [
      await rate("manifest by tag (wrk -t1 -c32)", [berth, docker, two, nginx], (peer) =>
        requestsPerSecond(peer.url + (peer === nginx ? "/manifest" : manifestPath)),
      ),
      await rate("HEAD of a blob (32 connections)", [berth, docker, two], (peer) =>
        headsPerSecond(peer.url + head, 32, roundMs),
      ),
      await busyRow([berth, docker]),
    ];
  } finally {
    await two.process.stop();
    await nginx.process.stop();
  }
}

async function nginxFolder(folder: string): Promise<string> {
  const files = join(folder, "nginx");
  await mkdir(files, { recursive: true });
  return files;
}

async function rate(
  name: string,
  peers: readonly Peer[],
  run: (peer: Peer) => Promise<number>,
): Promise<Row> {
  const figures = peers.map(({ name: peer }) => ({ peer, samples: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const [at, peer] of peers.entries()) figures[at]?.samples.push(await run(peer));
  }
  return { name, unit: "req/s", higherIsBetter: true, figures };
}

async function requestsPerSecond(url: string): Promise<number> {
  const { requests, seconds } = await wrk(url, 32, roundMs);
  return requests / seconds;
}

/** How long a small answer takes while four uploads write as fast as the disk can. */
async function busyRow(peers: readonly Peer[]): Promise<Row> {
  const figures: Figure[] = [];
  for (const { name: peer, url } of peers) {
    const samples: number[] = [];
    const load = await startSaturation(url, 4, 100 * mib);
    const end = performance.now() + 2 * roundMs;
    while (performance.now() < end) {
      const began = performance.now();
      await pull(url + manifestPath);
      samples.push(performance.now() - began);
      await Bun.sleep(5);
    }
    const sent = await load.stop();
    const note = `p95 ${quantile(samples, 0.95).toFixed(1)} ms beside ${(sent / 1e6 / 6).toFixed(0)} MB/s of uploads`;
    figures.push({ peer, samples, note });
  }
  return { name: "manifest by tag beside four uploads", unit: "ms", higherIsBetter: false, figures };
}
