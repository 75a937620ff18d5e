import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Digest } from "../oci/digests.ts";
import { isRegistryError } from "../oci/errors.ts";
import { parseManifest } from "../oci/manifests.ts";
import type { RepositoryName, Tag } from "../oci/names.ts";
import { faults, withDelays, withFault } from "./contract/faults.ts";
import {
  repositoryA as a,
  repositoryB as b,
  bytesFor,
  errorOf,
  failureOf,
  heldBody,
  pushBlob,
  pushImage,
  pushIndex,
  readBlob,
  tags,
} from "./contract/fixtures.ts";
import { anyOperation } from "./contract/operations.ts";
import { createPlayer, prepare } from "./contract/player.ts";
import type { CopyEvent } from "./copy/events.ts";
import { copy } from "./copy.ts";
import { needsOf } from "./manifests.ts";
import { createMemoryRegistry } from "./memory.ts";
import type { Registry } from "./registry.ts";
import { bytesOf } from "./streams.ts";

const [latest] = tags("latest") as [Tag]; // safe: one name gives one tag

function source(registry: Registry) {
  return { registry, repository: a, tag: latest };
}

function destination(registry: Registry) {
  return { registry, repository: b, tags: [latest] };
}

describe("copy from a faulty registry", () => {
  const expected = {
    "wrong bytes": "DIGEST_INVALID",
    "short stream": "SIZE_INVALID",
    "no bytes": "SIZE_INVALID",
    "long stream": "SIZE_INVALID",
    "broken stream": undefined,
  } as const;

  for (const [name, fault] of Object.entries(faults)) {
    const code = expected[name as keyof typeof faults]; // safe: the keys of faults

    test(`copy moves no tag when a blob has the fault: ${name}`, async () => {
      const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
      const image = await pushImage(from, a, {
        layers: [bytesFor(1), bytesFor(2, 300_000), bytesFor(3)],
        tags: [latest],
      });
      const faulty = image.blobs[2]?.digest ?? expect.unreachable();
      const error = await failureOf(copy(source(withFault(from, faulty, fault)), destination(to)));
      if (code) expect(isRegistryError(error, code)).toBe(true);
      else expect(error).toEqual(new Error("the line is dead"));
      await errorOf(to.resolveBlob(b, faulty), "BLOB_UNKNOWN");
      await failureOf(to.resolveTag(b, latest));
      await copy(source(from), destination(to)); // goes on with what is missing
      expect(await readBlob(to, b, { digest: faulty })).toEqual(bytesFor(2, 300_000));
      expect(to.openUploads()).toBe(0);
    });

    test(`copy stores nothing when a manifest has the fault: ${name}`, async () => {
      const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
      const image = await pushImage(from, a);
      const index = await pushIndex(from, a, [image.descriptor], { tags: [latest] });
      for (const { digest } of [image.descriptor, index.descriptor]) {
        const error = await failureOf(copy(source(withFault(from, digest, fault)), destination(to)));
        if (code) expect(isRegistryError(error, code)).toBe(true);
        else expect(error).toEqual(new Error("the line is dead"));
        await errorOf(to.listTags(b), "NAME_UNKNOWN");
      }
    });
  }

  test("copy tells what was wrong with the bytes when the destination only sees that they stopped", async () => {
    const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
    const image = await pushImage(from, a, { tags: [latest] });
    const vague: Registry = {
      ...to,
      putBlob: (...args) => to.putBlob(...args).catch(() => Promise.reject(new Error("the request failed"))),
    };
    const faulty = image.blobs[1]?.digest ?? expect.unreachable();
    const copying = copy(source(withFault(from, faulty, faults["short stream"])), destination(vague));
    await errorOf(copying, "SIZE_INVALID");
  });

  test("copy refuses a chosen platform when its manifest has other bytes", async () => {
    const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
    const platform = { architecture: "amd64", os: "linux" };
    const { descriptor } = await pushImage(from, a);
    await pushIndex(from, a, [{ ...descriptor, platform }], { tags: [latest] });
    const faulty = withFault(from, descriptor.digest, faults["wrong bytes"]);
    const error = await errorOf(
      copy(source(faulty), destination(to), { platforms: [platform] }),
      "DIGEST_INVALID",
    );
    expect(error.message).toContain("the source sent");
  });

  test("copy refuses another manifest than the one that was asked for by digest", async () => {
    const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
    const wanted = await pushImage(from, a);
    const other = await pushImage(from, a, { layers: [] });
    const swapped: Registry = { ...from, getManifest: () => from.getManifest(a, other.descriptor.digest) };
    const { digest } = wanted.descriptor;
    await errorOf(copy({ registry: swapped, repository: a, digest }, destination(to)), "DIGEST_INVALID");
  });
});

describe("copy that is stopped", () => {
  test("copy rejects with the signal's reason, ends its streams and moves no tag when it is aborted", async () => {
    const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
    await pushImage(from, a, { layers: [bytesFor(1), bytesFor(2)], tags: [latest] });
    const cancelled: Promise<void>[] = [];
    const held: Promise<void>[] = [];
    const slow: Registry = {
      ...from,
      async getBlob(repository, digest) {
        const { descriptor } = await from.getBlob(repository, digest);
        const { body, held: isHeld } = heldBody(bytesFor(1, 1));
        const ended = Promise.withResolvers<void>();
        held.push(isHeld);
        cancelled.push(ended.promise);
        const open = async () => cancelTold(body, ended.resolve);
        return { descriptor, source: { kind: "stream", open } };
      },
    };
    const stop = new AbortController();
    const reason = new Error("enough");
    const copying = failureOf(copy(source(slow), destination(to), { signal: stop.signal, concurrency: 3 }));
    while (held.length < 3) await Promise.resolve();
    await Promise.all(held);
    stop.abort(reason);
    expect(await copying).toBe(reason);
    await Promise.all(cancelled);
    await errorOf(to.listTags(b), "NAME_UNKNOWN");
  });

  test("copy begins nothing when the signal has aborted", async () => {
    const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
    await pushImage(from, a, { tags: [latest] });
    const reason = new Error("enough");
    const events: CopyEvent[] = [];
    const options = { signal: AbortSignal.abort(reason), onEvent: (event: CopyEvent) => events.push(event) };
    expect(await failureOf(copy(source(from), destination(to), options))).toBe(reason);
    expect(events).toEqual([]);
  });

  test("copy stops the other blobs when one fails, and rejects with the first failure", async () => {
    const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
    const image = await pushImage(from, a, { layers: [bytesFor(1), bytesFor(2)], tags: [latest] });
    const ended = Promise.withResolvers<void>();
    const bad = image.blobs[2]?.digest ?? expect.unreachable();
    const slow: Registry = {
      ...from,
      async getBlob(repository, digest) {
        const handle = await from.getBlob(repository, digest);
        if (digest === bad) throw new Error("gone");
        if (digest === image.blobs[0]?.digest) return handle;
        const open = async () => cancelTold(heldBody(bytesFor(1, 1)).body, ended.resolve);
        return { descriptor: handle.descriptor, source: { kind: "stream", open } };
      },
    };
    expect(await failureOf(copy(source(slow), destination(to)))).toEqual(new Error("gone"));
    await ended.promise;
  });

  test("copy does not open the source's stream when the destination does not read it", async () => {
    const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
    await pushImage(from, a, { layers: [], tags: [latest] });
    const closed: Registry = {
      ...from,
      async getBlob(repository, digest) {
        const { descriptor } = await from.getBlob(repository, digest);
        const open = () => Promise.reject(new Error("it was opened"));
        return { descriptor, source: { kind: "stream", open } };
      },
    };
    const holder: Registry = {
      ...to,
      putBlob: async (_, { digest }) => pushBlob(to, b, await readBlob(from, a, { digest })),
    };
    await copy(source(closed), destination(holder));
  });

  test("copy gives up the source's stream when the destination does not read on", async () => {
    const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
    await pushImage(from, a, { layers: [], tags: [latest] });
    const ended = Promise.withResolvers<void>();
    const told: Registry = {
      ...from,
      async getBlob(repository, digest) {
        const { descriptor } = await from.getBlob(repository, digest);
        const open = async () => cancelTold(heldBody(bytesFor(1, 1)).body, ended.resolve);
        return { descriptor, source: { kind: "stream", open } };
      },
    };
    const quick: Registry = {
      ...to,
      async putBlob(repository, { digest }, body) {
        await body.getReader().read();
        const bytes = await readBlob(from, a, { digest }); // somebody else has just sent it
        return pushBlob(to, repository, bytes);
      },
    };
    await copy(source(told), destination(quick));
    await ended.promise;
  });

  test("copy rejects with what onEvent throws", async () => {
    const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
    await pushImage(from, a, { tags: [latest] });
    const onEvent = ({ state }: CopyEvent): void => {
      if (state === "bytes") throw new Error("no more");
    };
    expect(await failureOf(copy(source(from), destination(to), { onEvent }))).toEqual(new Error("no more"));
    await errorOf(to.listTags(b), "NAME_UNKNOWN");
  });
});

/** Passes a body on and tells when it is cancelled. */
function cancelTold(body: ReadableStream<Uint8Array>, tell: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel(reason) {
        tell();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

describe("copy to a registry that resumes", () => {
  test("copy reopens the blob where the destination's transfer broke", async () => {
    const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
    const content = bytesFor(5, 700_000);
    await pushImage(from, a, { layers: [content], tags: [latest] });
    const resuming = (bad: boolean): Registry => ({
      ...to,
      async putBlob(repository, expected, body, options) {
        if (expected.size !== content.byteLength) return to.putBlob(repository, expected, body, options);
        const reader = body.getReader();
        await reader.read();
        await reader.cancel();
        const rest = await options?.reopen?.(1000);
        const bytes = await bytesOf(rest ?? expect.unreachable());
        expect(bytes).toEqual(content.subarray(1000));
        if (bad) throw new Error("the line is dead again");
        return pushBlob(to, repository, content);
      },
    });
    expect(await failureOf(copy(source(from), destination(resuming(true))))).toEqual(
      new Error("the line is dead again"),
    );
    await copy(source(from), destination(resuming(false)));
    expect((await to.getTag(b, latest)).descriptor).toEqual((await from.getTag(a, latest)).descriptor);
  });
});

test("copy sends at most so many blobs at a time as concurrency says", async () => {
  const from = createMemoryRegistry();
  const layers = Array.from({ length: 12 }, (_, at) => bytesFor(at, 100_000));
  await pushImage(from, a, { layers, tags: [latest] });
  for (const concurrency of [1, 3, 20]) {
    const to = createMemoryRegistry();
    let sending = 0;
    let most = 0;
    const counting: Registry = {
      ...to,
      async putBlob(...args) {
        most = Math.max(most, ++sending);
        return to.putBlob(...args).finally(() => sending--);
      },
    };
    await copy(source(from), destination(counting), { concurrency });
    expect(most).toBe(Math.min(concurrency, 13));
  }
});

test("copy makes the destination whole whatever was at the source and at the destination", async () => {
  const operations = fc.array(anyOperation, { maxLength: 40, size: "max" });
  const turns = fc.infiniteStream(fc.nat(3));
  await fc.assert(
    fc.asyncProperty(
      operations,
      operations,
      fc.boolean(),
      turns,
      async (first, second, referrers, delays) => {
        const [from, to] = [createMemoryRegistry(), createMemoryRegistry()];
        const players = [createPlayer(from), createPlayer(to)] as const;
        await prepare(players[0]);
        for (const operation of first) await players[0].play(operation);
        for (const operation of second) await players[1].play(operation);
        const slow = withDelays(to, () => delays.next().value);
        for (const repository of (await from.listRepositories()).items) {
          for (const tag of (await from.listTags(repository)).items) {
            const target = { registry: slow, repository: b, tags: [tag] };
            await copy({ registry: from, repository, tag }, target, { referrers });
            expect(await to.resolveTag(b, tag)).toEqual(await from.resolveTag(repository, tag));
            await expectCopied(from, repository, to, (await to.resolveTag(b, tag)).digest, referrers);
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});

/** That a manifest and all below it can be read at `b`, and its referrers are there if they should be. */
async function expectCopied(
  from: Registry,
  repository: RepositoryName,
  to: Registry,
  digest: Digest,
  referrers: boolean,
): Promise<void> {
  const { bytes, descriptor } = await to.getManifest(b, digest);
  expect(bytes).toEqual((await from.getManifest(repository, digest)).bytes);
  for (const { kind, descriptor: need } of needsOf(parseManifest(bytes, descriptor.mediaType))) {
    if (kind === "manifest") await expectCopied(from, repository, to, need.digest, referrers);
    else expect((await readBlob(to, b, need)).byteLength).toBe(need.size);
  }
  if (!referrers) return;
  const { items } = await from.listReferrers(repository, digest);
  expect((await to.listReferrers(b, digest)).items).toEqual(expect.arrayContaining([...items]));
}
