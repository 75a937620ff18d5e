import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeContent, pull, pushBlob } from "../load.ts";
import { type Bench, mib, throughput } from "../measure.ts";
import { startNginx } from "../peers.ts";
import type { Row } from "../report.ts";

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
