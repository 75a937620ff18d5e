import { join } from "node:path";
import { makeContent, pushBlob } from "../load.ts";
import { type Bench, mib } from "../measure.ts";
import { memory, peakMemory, startBerth, startDockerRegistry } from "../peers.ts";
import type { Figure, Row } from "../report.ts";

export async function processRows({ folder, berth, docker }: Bench): Promise<Row[]> {
  const peaks = await Promise.all(
    [berth, docker].map(async (peer) => ({ peer: peer.name, samples: [await peakMemory(peer)] })),
  );
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
    const content = makeContent(50 * mib);
    // The same bytes to each of 50 repositories: each upload is received, hashed and compared by itself.
    await Promise.all(
      Array.from({ length: 50 }, (_, at) => pushBlob(peer.url, `memory/r${at}`, content, false)),
    );
    busyFigures.push({ peer: peer.name, samples: [await peakMemory(peer)] });
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
    {
      name: "memory, at most, in the rows above",
      unit: "MiB",
      higherIsBetter: false,
      figures: peaks,
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
