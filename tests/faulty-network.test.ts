import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { type Client, createClient, createTransport } from "../src/client/index.ts";
import { openLayout } from "../src/layout/index.ts";
import { isRegistryError, parseRepositoryName, type RepositoryName, type Tag } from "../src/oci/index.ts";
import { parseRegistryName } from "../src/oci/references.ts";
import { bytesFor, pushImage, readBlob, tags } from "../src/registry/contract/fixtures.ts";
import { copy, createMemoryRegistry, type MemoryRegistry, type Registry } from "../src/registry/index.ts";
import { type FaultyProxy, faultKinds, seededRandom, startFaultyProxy } from "./fixtures/faulty-proxy.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "./fixtures/registries.ts";

/** How long each direction is tried. */
const limitMs = 10_000;
const [tag] = tags("1.0") as [Tag]; // safe: one name gives one tag
const layers = [bytesFor(1, 10), bytesFor(2, 300_000), bytesFor(3, 2_500_000), bytesFor(4, 1_200_000)];

let berth: RunningRegistry;
let folder: string;
let direct: Client;
let here: MemoryRegistry;
let image: Awaited<ReturnType<typeof pushImage>>;
const source = parseRepositoryName("source/app");
const seen = new Map<string, number>();

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  berth = await startBerth();
  direct = createClient(berth.host);
  here = createMemoryRegistry();
  image = await pushImage(here, source, { layers, tags: [tag] });
  await copy(
    { registry: here, repository: source, tag },
    { registry: direct, repository: source, tags: [tag] },
  );
});
afterAll(async () => {
  direct.close();
  await berth.stop();
  await rm(folder, { recursive: true });
  console.log("faults", Object.fromEntries(seen));
});

/** Does something through a network that does harm, and once more when it does no harm any longer. */
async function through(
  seed: number,
  act: (client: Client) => Promise<unknown>,
  destination: { readonly registry: Registry; readonly repository: RepositoryName },
  check: () => Promise<void>,
): Promise<void> {
  const proxy = await startFaultyProxy(berth.host, seededRandom(seed));
  const transport = createTransport({
    proxies: false,
    stallTimeoutMs: 300,
    answerTimeoutMs: 500,
    connectTimeoutMs: 500,
  });
  const client = createClient(proxy.host, {
    transport,
    retries: { attempts: 4, minDelayMs: 1, maxDelayMs: 20 },
  });
  try {
    const failure = await act(client).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure !== undefined) expectClear(failure, proxy);
    // The tag is there with all that it needs, which may have happened unheard, or it is not there.
    if (failure === undefined || (await hasTag(destination))) await check();
    proxy.heal();
    await act(client);
    await check();
  } finally {
    note(proxy);
    transport.close();
    await proxy.stop();
  }
}

async function hasTag(place: {
  readonly registry: Registry;
  readonly repository: RepositoryName;
}): Promise<boolean> {
  return place.registry.resolveTag(place.repository, tag).then(
    () => true,
    (error: unknown) => {
      if (isRegistryError(error, "MANIFEST_UNKNOWN") || isRegistryError(error, "NAME_UNKNOWN")) return false;
      throw error;
    },
  );
}

function note({ happened }: FaultyProxy): void {
  for (const [kind, count] of happened) seen.set(kind, (seen.get(kind) ?? 0) + count);
}

/** An error says what was tried, and at which registry. */
function expectClear(error: unknown, { host }: FaultyProxy): void {
  if (!isRegistryError(error)) throw error;
  expect(error.message.length).toBeGreaterThan(30);
  if (error.code === "UNAVAILABLE") expect(error.message).toContain(host);
}

async function expectWhole(registry: Registry, repository: RepositoryName): Promise<void> {
  const found = await registry.getTag(repository, tag);
  expect(found.bytes).toEqual(image.bytes);
  for (const [at, blob] of image.blobs.slice(1).entries()) {
    expect(Bun.hash(await readBlob(registry, repository, blob))).toBe(
      Bun.hash(layers[at] ?? new Uint8Array()),
    );
  }
}

const anySeed = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const bounds = { numRuns: 1000, endOnFailure: true, interruptAfterTimeLimit: limitMs } as const;

describe("a network that does harm", () => {
  test("copy pushes an image whole or fails clean, and goes through when it is done again", async () => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(anySeed, async (seed) => {
        const repository = parseRepositoryName(`push/n${++count}`);
        // What the registry holds already must not be linked: each push has blobs of its own.
        const own = [
          new TextEncoder().encode(`${seed} ${count}`),
          ...layers.slice(1).map((layer) => ownBytes(layer, count)),
        ];
        const from = createMemoryRegistry();
        const pushed = await pushImage(from, repository, { layers: own, tags: [tag] });
        await through(
          seed,
          (client) =>
            copy({ registry: from, repository, tag }, { registry: client, repository, tags: [tag] }),
          { registry: direct, repository },
          async () => {
            expect((await direct.getTag(repository, tag)).bytes).toEqual(pushed.bytes);
            for (const [at, blob] of pushed.blobs.slice(1).entries()) {
              expect(Bun.hash(await readBlob(direct, repository, blob))).toBe(
                Bun.hash(own[at] ?? new Uint8Array()),
              );
            }
          },
        );
      }),
      bounds,
    );
  }, 60_000);

  test("copy pulls an image whole or fails clean, and goes through when it is done again", async () => {
    let count = 0;
    const name = parseRegistryName(berth.host);
    await fc.assert(
      fc.asyncProperty(anySeed, async (seed) => {
        const place = join(folder, `layout-${++count}`);
        const registry = count % 2 === 0 ? createMemoryRegistry() : (await openLayout(place)).at(name);
        await through(
          seed,
          (client) =>
            copy(
              { registry: client, repository: source, tag },
              { registry, repository: source, tags: [tag] },
            ),
          { registry, repository: source },
          () => expectWhole(registry, source),
        );
        await rm(place, { recursive: true, force: true });
      }),
      bounds,
    );
  }, 60_000);

  test("every kind of fault has happened", () => {
    expect([...seen.keys()].toSorted()).toEqual([...faultKinds].toSorted());
  });
});

/** Other bytes of the same size. */
function ownBytes(layer: Uint8Array, count: number): Uint8Array {
  const own = layer.slice();
  new DataView(own.buffer).setUint32(0, count);
  return own;
}
