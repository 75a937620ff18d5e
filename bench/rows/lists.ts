import { makeContent, pushImage } from "../load.ts";
import type { Bench } from "../measure.ts";
import type { Peer } from "../peers.ts";
import type { Row } from "../report.ts";
import { wrk } from "../wrk.ts";

const repositories = 10_000;
const rounds = 5;
const roundMs = 1000;

export async function listRows({ berth, docker }: Bench): Promise<Row[]> {
  const measure = async (what: string, path: string): Promise<Row> => {
    const figures = [berth, docker].map(({ name: peer, url }) => ({ peer, url, samples: [] as number[] }));
    for (let round = 0; round < rounds; round++) {
      for (const { url, samples } of figures) {
        const { requests, seconds } = await wrk(url + path, 1, roundMs);
        samples.push((1000 * seconds) / requests);
      }
    }
    return { name: `${what} (wrk -t1 -c1)`, unit: "ms", higherIsBetter: false, figures };
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
  await fill(repositories, (peer, at) => pushImage(peer.url, `many/r${at}`, "latest", []));
  return [
    tags,
    few,
    await measure(`first 100 repositories, of ${repositories.toLocaleString("en")}`, "/v2/_catalog?n=100"),
  ];
}
