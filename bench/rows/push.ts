import { type Content, frame, makeContent, pushBlob } from "../load.ts";
import { type Bench, mib, throughput } from "../measure.ts";
import type { Row } from "../report.ts";

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
