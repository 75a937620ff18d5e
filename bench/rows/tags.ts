import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestOf, makeContent, pull, pushImage } from "../load.ts";
import type { Bench } from "../measure.ts";
import { startBerth } from "../peers.ts";
import type { Row } from "../report.ts";

const rule = {
  float: ["minor", "major", "latest"],
  prereleases: ["rc"],
  variants: true,
  immutable: ["versions"],
  "manual-floats": "refuse",
};
const manyTags = 50_000;
const tagsARequest = 100;
const rounds = 200;
const indexType = "application/vnd.oci.image.index.v1+json";

/** What rules for tags cost: a push with and without one, and with few and many tags. */
export async function tagRows({ folder }: Bench): Promise<Row[]> {
  const settings = { tags: [{ repositories: ["ruled/*"], ...rule }] };
  await writeFile(join(folder, "tags.yaml"), JSON.stringify(settings)); // JSON is YAML
  const berth = await startBerth(join(folder, "tags"), ["--config", join(folder, "tags.yaml")]);
  const { url } = berth;
  try {
    let made = 0;
    /** A push as clients do it, of a version that is the highest each time: it moves every floating tag. */
    const image = (repository: string) => pushImage(url, repository, `2.1.${made++}`, [makeContent(3000)]);
    const manifest = (repository: string) => putIndex(url, repository, `2.1.${made++}`, `${made}`);
    const compare = async (
      name: string,
      lanes: readonly (readonly [peer: string, action: () => Promise<unknown>])[],
    ): Promise<Row> => {
      const figures = lanes.map(([peer, action]) => ({ peer, action, samples: [] as number[] }));
      for (let round = 0; round < rounds; round++) {
        for (const { action, samples } of figures) {
          const began = performance.now();
          await action();
          samples.push(performance.now() - began);
        }
      }
      return { name, unit: "ms", higherIsBetter: false, figures };
    };

    const rows = [
      await compare("push a small image as a version", [
        ["berth", () => image("plain/image")],
        ["berth, under a rule", () => image("ruled/image")],
      ]),
      await compare("put a manifest as a version", [
        ["berth", () => manifest("plain/manifest")],
        ["berth, under a rule", () => manifest("ruled/manifest")],
      ]),
    ];
    await fill(url, "ruled/few", 5);
    await fill(url, "ruled/many", manyTags);
    const few = "berth"; // the report compares with it
    const many = "berth, 50,000 tags";
    const both = (action: (repository: string) => Promise<unknown>) =>
      [
        [few, () => action("ruled/few")],
        [many, () => action("ruled/many")],
      ] as const;
    return [
      ...rows,
      await compare("put a manifest as a version, 5 tags or many", both(manifest)),
      await compare(
        "manifest by a floating tag, 5 tags or many",
        both((repository) => pull(`${url}/v2/${repository}/manifests/latest`)),
      ),
      await compare(
        "first 100 tags, 5 or many",
        both((repository) => pull(`${url}/v2/${repository}/tags/list?n=100`)),
      ),
      await compare(
        "plan a push, 5 tags or many",
        both((repository) => plan(url, repository, "1.5.1000")),
      ),
    ];
  } finally {
    await berth.process.stop();
  }
}

/** Pushes a manifest that needs no blobs. */
async function putIndex(url: string, repository: string, reference: string, name: string): Promise<void> {
  const { body } = indexOf(name);
  const answer = await fetch(`${url}/v2/${repository}/manifests/${reference}`, {
    method: "PUT",
    body,
    headers: { "content-type": indexType },
  });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`PUT ${reference}: ${answer.status} ${text}`);
}

function indexOf(name: string): { readonly body: string; readonly digest: string } {
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType: indexType,
    manifests: [],
    annotations: { name },
  });
  return { body, digest: digestOf(body) };
}

/** Gives a repository versions of 50 lines, many with one request. */
async function fill(url: string, repository: string, count: number): Promise<void> {
  for (let start = 0; start < count; start += tagsARequest) {
    const tags = Array.from({ length: Math.min(tagsARequest, count - start) }, (_, at) => {
      const number = start + at;
      return `tag=1.${number % 50}.${Math.floor(number / 50)}`;
    });
    const name = `${repository} ${start}`;
    await putIndex(url, repository, `${indexOf(name).digest}?${tags.join("&")}`, name);
  }
}

async function plan(url: string, repository: string, tag: string): Promise<void> {
  const answer = await fetch(`${url}/api/v1/tags/plan`, {
    method: "POST",
    body: JSON.stringify({ repository, tags: [tag] }),
    headers: { "content-type": "application/json" },
  });
  if (answer.status !== 200) throw new Error(`plan: ${answer.status} ${await answer.text()}`);
  await answer.arrayBuffer();
}
