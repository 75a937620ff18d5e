import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeContent, pushBlob } from "../load.ts";
import { type Bench, mib } from "../measure.ts";
import { cpuSeconds, startNginx } from "../peers.ts";
import { quantile, type Row } from "../report.ts";
import { wrk } from "../wrk.ts";

const rounds = 5;
const roundMs = 2000;

/** A blob that one reader reads again and again. */
export async function pullRows({ folder, berth, docker }: Bench): Promise<Row[]> {
  const files = join(folder, "nginx");
  await mkdir(files, { recursive: true });
  const nginx = await startNginx(files);
  const rows: Row[] = [];
  for (const size of [1, 10, 100]) {
    const content = makeContent(size * mib);
    await writeFile(join(files, `blob-${size}`), content.bytes);
    for (const peer of [berth, docker]) await pushBlob(peer.url, "bench/pull", content, false);
    const figures = [berth, docker, nginx].map((peer) => ({
      peer,
      path: peer === nginx ? `/blob-${size}` : `/v2/bench/pull/blobs/${content.digest}`,
      samples: [] as number[],
      cpu: [] as number[],
    }));
    for (let round = 0; round < rounds; round++) {
      for (const { peer, path, samples, cpu } of figures) {
        const before = await cpuSeconds(peer);
        const { requests, seconds } = await wrk(peer.url + path, 1, roundMs);
        const bytes = requests * size * mib;
        samples.push(bytes / 1e6 / seconds);
        cpu.push(((await cpuSeconds(peer)) - before) / (bytes / 1024 ** 3));
      }
    }
    rows.push({
      name: `pull a ${size} MiB blob (wrk -t1 -c1)`,
      unit: "MB/s",
      higherIsBetter: true,
      figures: figures.map(({ peer, samples, cpu }) => ({
        peer: peer.name,
        samples,
        note: `${quantile(cpu, 0.5).toFixed(2)} CPU s/GiB`,
      })),
    });
  }
  await nginx.process.stop();
  return rows;
}
