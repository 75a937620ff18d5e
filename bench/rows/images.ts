import { makeContent, pushImage } from "../load.ts";
import type { Bench } from "../measure.ts";
import type { Row } from "../report.ts";

const lanes = 4;
const rounds = 5;
const imagesARound = 5;

export async function imageRows({ berth, docker }: Bench): Promise<Row[]> {
  const figures = [berth, docker].map((peer) => ({ peer, samples: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const { peer, samples } of figures) {
      const lane = async (name: number): Promise<void> => {
        for (let image = 0; image < imagesARound; image++) {
          const layers = [makeContent(3000), makeContent(3000), makeContent(3000)];
          const began = performance.now();
          await pushImage(peer.url, `bench/image-${name}`, `v${round}-${image}`, layers);
          samples.push(performance.now() - began);
        }
      };
      await Promise.all(Array.from({ length: lanes }, (_, name) => lane(name)));
    }
  }
  const name = "push a small image of three layers, four at once";
  return [
    {
      name,
      unit: "ms",
      higherIsBetter: false,
      figures: figures.map(({ peer, samples }) => ({ peer: peer.name, samples })),
    },
  ];
}
