import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Client, createClient } from "../src/client/index.ts";
import { parseRepositoryName, type Tag } from "../src/oci/index.ts";
import {
  repositoryA as a,
  repositoryB as b,
  bytesFor,
  describeBytes,
  jsonBytes,
  pushImage,
  readBlob,
  tags,
} from "../src/registry/contract/fixtures.ts";
import { type CopyEvent, copy, createMemoryRegistry, type MemoryRegistry } from "../src/registry/index.ts";
import { type ServedRegistry, serveRegistry } from "./fixtures/served-registry.ts";

const [one, two] = tags("1", "2") as [Tag, Tag]; // safe: two names give two tags
const layers = Array.from({ length: 10 }, (_, at) => bytesFor(at, at === 0 ? 3_000_000 : 2000 + at));

let served: ServedRegistry;
let client: Client;
let memory: MemoryRegistry;
let image: Awaited<ReturnType<typeof pushImage>>;

beforeEach(async () => {
  served = await serveRegistry();
  client = createClient(served.host);
  memory = createMemoryRegistry();
  image = await pushImage(memory, a, { layers, tags: [one] });
});
afterEach(async () => {
  client.close();
  await served.stop();
});

const push = (repository = a, more: Parameters<typeof copy>[2] = {}, tag = one) =>
  copy({ registry: memory, repository: a, tag: one }, { registry: client, repository, tags: [tag] }, more);

/** What the server was asked while something was done. */
async function requestsOf(action: () => Promise<unknown>): Promise<readonly string[]> {
  const before = served.requests.length;
  await action();
  return served.requests.slice(before);
}

const methodsOf = (requests: readonly string[]) =>
  Object.fromEntries(
    Map.groupBy(requests, (request) => request.split(" ")[0] ?? "")
      .entries()
      .map(([key, all]) => [key, all.length]),
  );

describe("copy to a registry", () => {
  test("copy asks for nothing but the manifest when the image is there, and moves the tag", async () => {
    await push();
    const asked = await requestsOf(() => push(a, {}, two));
    expect(asked).toEqual([
      `HEAD /v2/team/a/manifests/${image.descriptor.digest}`,
      "PUT /v2/team/a/manifests/2",
    ]);
    expect((await client.getTag(a, two)).bytes).toEqual(image.bytes);
  });

  test("copy asks once a layer when the layers are there, in another repository", async () => {
    await push();
    const events: CopyEvent[] = [];
    const asked = await requestsOf(() => push(b, { onEvent: (event) => events.push(event) }));
    // The config and ten layers, and the manifest: whether it is there (only GET tells why not), and then itself.
    expect(methodsOf(asked)).toEqual({ HEAD: 12, GET: 1, PUT: 1 });
    for (const { digest } of image.blobs) {
      expect(asked.filter((request) => request.includes(digest)).length).toBe(1);
    }
    expect(events.filter(({ state }) => state === "exists").length).toBe(11);
    expect(await readBlob(client, b, describeBytes(layers[0] ?? new Uint8Array()))).toEqual(
      layers[0] as Uint8Array,
    );
  });

  test("copy sends only the layer that is new", async () => {
    await push();
    const changed = await pushImage(memory, a, { layers: [...layers, bytesFor(99, 500)], tags: [two] });
    const asked = await requestsOf(async () => {
      const { bytesSent } = await copy(
        { registry: memory, repository: a, tag: two },
        { registry: client, repository: a, tags: [two] },
      );
      expect(bytesSent).toBe(500);
    });
    expect(methodsOf(asked)).toEqual({ HEAD: 13, GET: 1, POST: 1, PUT: 2 });
    expect((await client.getTag(a, two)).descriptor).toEqual(changed.descriptor);
  });

  test("copy tells how each blob goes on", async () => {
    const events: CopyEvent[] = [];
    await push(a, { onEvent: (event) => events.push(event) });
    const large = describeBytes(layers[0] ?? new Uint8Array()).digest;
    const own = events.filter(({ descriptor }) => descriptor.digest === large);
    const bytes = own.flatMap((event) => (event.state === "bytes" ? [event.bytes] : []));
    expect(own.map(({ state }) => state).filter((state) => state !== "bytes")).toEqual(["waiting", "done"]);
    expect(bytes.length).toBeGreaterThan(3);
    expect(bytes).toEqual(bytes.toSorted((x, y) => x - y));
    expect(bytes.at(-1)).toBe(3_000_000);
    expect(events.at(-1)).toEqual({ state: "done", descriptor: image.descriptor });
  });

  test("copy rejects with the signal's reason in the middle of a layer and leaves no session", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const onEvent = (event: CopyEvent) => {
      if (event.state === "bytes" && event.bytes > 1_000_000) stop.abort(reason);
    };
    expect(await push(a, { signal: stop.signal, onEvent }).catch((error: unknown) => error)).toBe(reason);
    await push();
    expect((await client.getTag(a, one)).bytes).toEqual(image.bytes);
    client.close();
    expect(await served.stop()).toEqual([]);
    served = await serveRegistry();
  });
});

describe("copy within a registry", () => {
  test("copy mounts between two repositories of the same registry", async () => {
    await push();
    const states: string[] = [];
    const to = parseRepositoryName("other/place");
    const asked = await requestsOf(() =>
      copy(
        { registry: client, repository: a, tag: one },
        { registry: client, repository: to, tags: [one] },
        {
          onEvent: ({ state }) => states.push(state),
        },
      ),
    );
    expect(methodsOf(asked).PATCH).toBeUndefined();
    expect(states).not.toContain("bytes");
    expect((await client.getTag(to, one)).descriptor).toEqual(image.descriptor);
  });
});

describe("copy of referrers", () => {
  test("copy takes signatures along, to a registry and back", async () => {
    const signature = await pushImage(memory, a, {
      config: {},
      layers: [jsonBytes({ signed: true })],
      subject: image.descriptor,
      artifactType: "example/signature",
    });
    await push(a, { referrers: true });
    const back = createMemoryRegistry();
    const destination = { registry: back, repository: b, tags: [one] };
    await copy({ registry: client, repository: a, tag: one }, destination, { referrers: true });
    const { items } = await back.listReferrers(b, image.descriptor.digest);
    expect(items.map(({ digest }) => digest)).toEqual([signature.descriptor.digest]);
  });
});
