import { cpuSeconds, type Peer } from "./peers.ts";
import { type Figure, quantile } from "./report.ts";

/** What the rows run against. */
export interface Bench {
  readonly folder: string;
  readonly berth: Peer;
  readonly docker: Peer;
}

/** Bytes. */
export const mib = 1024 * 1024;

/** Measures `action` for each peer, one after the other, `rounds` times, what it needs prepared before; samples are MB a second. */
export async function throughput<Prepared>(
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
