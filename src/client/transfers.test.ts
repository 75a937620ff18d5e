import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { useOddRegistries } from "../../tests/fixtures/odd-registries.ts";
import type { Reply, ReplyServer } from "../../tests/fixtures/reply-servers.ts";
import type { Digest } from "../oci/digests.ts";
import { parseRepositoryName } from "../oci/names.ts";
import { openBlob } from "../registry/blobs.ts";
import {
  bodyOf,
  bytesFor,
  describeBytes,
  errorOf,
  failureOf,
  readBlob,
} from "../registry/contract/fixtures.ts";
import { bytesOf, streamOf } from "../registry/streams.ts";
import { type Client, createClient } from "./client.ts";

const repository = parseRepositoryName("team/app");
const size = 3_000_000;
const bytes = bytesFor(7, size);
const { digest } = describeBytes(bytes);

const { serve, clientOf } = useOddRegistries();

/** What a server does with the requests for a blob, one after the other. */
interface BlobServer {
  readonly knowsRanges: boolean;
  /** Where it closes the connection, counted in the answer; undefined for not at all. */
  readonly cuts: (number | undefined)[];
  readonly content?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

function serveBlob({ knowsRanges, cuts, content = bytes, headers = {} }: BlobServer): Promise<ReplyServer> {
  return serve(({ method, headers: { range } }) => {
    const cutAt = method === "HEAD" ? undefined : cuts.shift();
    const cut = cutAt === undefined ? {} : { cutAt };
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
    if (!knowsRanges || first === undefined) return { body: content, headers, ...cut };
    const end = last ? Number(last) + 1 : content.byteLength;
    const contentRange = `bytes ${first}-${end - 1}/${content.byteLength}`;
    const part = content.subarray(Number(first), end);
    return { status: 206, headers: { ...headers, "content-range": contentRange }, body: part, ...cut };
  });
}

const rangesOf = ({ seen }: ReplyServer) =>
  seen.filter(({ method }) => method === "GET").map(({ headers }) => headers.range);

describe("downloads", () => {
  test("getBlob goes on from the last byte when the connection breaks", async () => {
    const server = await serveBlob({
      knowsRanges: true,
      cuts: [1_000_000, 700_000],
      headers: { etag: '"x"' },
    });
    expect(await readBlob(clientOf(server), repository, { digest })).toEqual(bytes);
    expect(rangesOf(server)).toEqual([undefined, "bytes=1000000-", "bytes=1700000-"]);
    expect(server.seen.at(-1)?.headers["if-range"]).toBe('"x"');
  });

  test("getBlob passes over what came already when the server knows no ranges", async () => {
    const server = await serveBlob({ knowsRanges: false, cuts: [1_000_000] });
    expect(await readBlob(clientOf(server), repository, { digest })).toEqual(bytes);
  });

  test("getBlob gets the same bytes wherever connections break, whole or in part", async () => {
    const small = bytes.subarray(0, 50_000);
    const blob = describeBytes(small);
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(fc.option(fc.nat(60_000), { nil: -1 }), { maxLength: 5 }),
        fc.option(fc.tuple(fc.nat(49_999), fc.nat(49_999)), { nil: undefined }),
        async (knowsRanges, cuts, ends) => {
          const server = await serveBlob({ knowsRanges, cuts: [...cuts], content: small });
          const client = createClient(server.host, {
            retries: { attempts: 10, minDelayMs: 0.1, maxDelayMs: 1 },
          });
          const range = ends && { first: Math.min(...ends), last: Math.max(...ends) };
          try {
            const found = await readBlob(client, repository, blob, range);
            expect(found).toEqual(range ? small.subarray(range.first, range.last + 1) : small);
          } finally {
            client.close();
            await server.stop();
          }
        },
      ),
      { numRuns: 40 },
    );
  }, 60_000);

  test("getBlob gives up when nothing gets through any more, and says how far it came", async () => {
    const server = await serveBlob({ knowsRanges: true, cuts: [1000, 0, 0, 0, 0] });
    const { message } = await errorOf(readBlob(clientOf(server), repository, { digest }), "UNAVAILABLE");
    expect(message).toContain(`read blob ${digest} of ${server.host}/team/app beyond byte 1000 of ${size}`);
    expect(message).toContain("broke");
  });

  test("getBlob fails instead of ending when the bytes are others", async () => {
    const other = bytesFor(8, size);
    const server = await serveBlob({ knowsRanges: true, cuts: [], content: other });
    const stream = await openBlob(await clientOf(server).getBlob(repository, digest));
    expect((await errorOf(bytesOf(stream), "DIGEST_INVALID")).message).toContain(describeBytes(other).digest);
  });

  test("getBlob fails when the blob became another between two attempts", async () => {
    const server = await serve(({ headers: { range } }) =>
      range
        ? { body: bytesFor(8, size), headers: { etag: '"new"' } }
        : { body: bytes, headers: { etag: '"old"' }, cutAt: 1000 },
    );
    await errorOf(readBlob(clientOf(server), repository, { digest }), "DIGEST_INVALID");
  });

  test.each([1, -1])(
    "getBlob fails when the server sends %d bytes more than the descriptor told",
    async (more) => {
      const content = bytesFor(7, size + more);
      const server = await serveBlob({ knowsRanges: true, cuts: [], content });
      const handle = await clientOf(server).getBlob(repository, digest, { size });
      await errorOf(
        openBlob(handle).then((body) => bytesOf(body)),
        "SIZE_INVALID",
      );
    },
  );

  test("resolveBlob finds the size when HEAD does not tell it", async () => {
    const server = await serve(({ method, headers: { range } }) => {
      if (method === "HEAD") return { headers: { "transfer-encoding": "chunked" } };
      return range
        ? { status: 206, headers: { "content-range": `bytes 0-0/${size}` }, body: "x" }
        : { status: 500 };
    });
    expect(await clientOf(server).resolveBlob(repository, digest)).toMatchObject({ digest, size });
  });

  test("openBlob ends the transfer when the reader has enough", async () => {
    const server = await serveBlob({ knowsRanges: true, cuts: [] });
    const client = clientOf(server);
    const stream = await openBlob(await client.getBlob(repository, digest));
    const reader = stream.getReader();
    await reader.read();
    await reader.cancel();
    expect(await readBlob(client, repository, { digest })).toEqual(bytes);
  });

  test("openBlob rejects with the signal's reason when it aborts in the middle", async () => {
    const stop = new AbortController();
    const server = await serve(() => ({ body: bytes, headers: { "content-length": `${size + 1}` } }));
    const handle = await clientOf(server).getBlob(repository, digest, { size: size + 1 });
    const reader = (await openBlob(handle, undefined, { signal: stop.signal })).getReader();
    await reader.read();
    const reason = new Error("enough");
    stop.abort(reason);
    const rest = async () => {
      while (!(await reader.read()).done);
    };
    expect(await failureOf(rest())).toBe(reason);
  });
});

/** A registry that keeps one upload session, and breaks connections while it receives. */
async function serveUploads(
  breaks: number[],
  more: { readonly forgets?: boolean; readonly hidesOffset?: boolean } = {},
) {
  let received: Buffer = Buffer.alloc(0);
  let session = 0;
  const stored: Buffer[] = [];
  const state = () => ({
    location: `/v2/team/app/blobs/uploads/s${session}?state=${received.byteLength}`,
    range: `0-${Math.max(0, received.byteLength - 1)}`,
    ...(more.hidesOffset ? {} : { "upload-offset": `${received.byteLength}` }),
  });
  const server = await serve(
    ({ method, path, headers, body, isCut }): Reply => {
      if (method === "POST") {
        session++;
        received = Buffer.alloc(0);
        return { status: 202, headers: state() };
      }
      if (!path.includes(`/uploads/s${session}`)) return { status: 404 };
      if (method === "GET") return { status: 204, headers: state() };
      if (method === "DELETE") return { status: 204 };
      const [, first] = /^(\d+)-/.exec(headers["content-range"] ?? "") ?? [];
      if (first !== undefined && Number(first) !== received.byteLength)
        return { status: 416, headers: state() };
      received = Buffer.concat([received, body]);
      if (isCut && more.forgets) session++;
      if (method === "PATCH") return { status: 202, headers: state() };
      const told = new URL(path, "http://x").searchParams.get("digest");
      if (told !== describeBytes(received).digest) return { status: 400 };
      stored.push(received);
      return { status: 201 };
    },
    { takes: ({ method }) => (method === "PATCH" ? breaks.shift() : undefined) },
  );
  return { server, stored };
}

const methodsOf = ({ seen }: ReplyServer) => seen.map(({ method }) => method);

describe("uploads", () => {
  const reopen = async (offset: number) => streamOf(bytes.subarray(offset), 64 * 1024);
  const push = (client: Client, options = {}, piece = 64 * 1024) =>
    client.putBlob(repository, { digest, size }, streamOf(bytes, piece), options);

  test("putBlob sends a small blob in two requests and a large one in three, with its length", async () => {
    const { server, stored } = await serveUploads([]);
    const client = clientOf(server);
    const small = bytesFor(3, 1000);
    await client.putBlob(repository, { digest: describeBytes(small).digest, size: 1000 }, streamOf(small));
    await push(client);
    expect(methodsOf(server)).toEqual(["POST", "PUT", "POST", "PATCH", "PUT"]);
    expect(server.seen[1]?.headers["content-length"]).toBe("1000");
    expect(server.seen[3]?.headers["content-length"]).toBe(`${size}`);
    expect(server.seen[3]?.headers["transfer-encoding"]).toBeUndefined();
    expect(stored.map((each) => each.byteLength)).toEqual([1000, size]);
  });

  test("putBlob goes on from what the registry has when the connection breaks", async () => {
    const { server, stored } = await serveUploads([1_000_000, 1_500_000]);
    await push(clientOf(server), { reopen });
    expect(stored).toEqual([Buffer.from(bytes)]);
    expect(methodsOf(server)).toEqual(["POST", "PATCH", "GET", "PATCH", "GET", "PATCH", "PUT"]);
    expect(server.seen[3]?.headers["content-range"]).toBe(`1000000-${size - 1}`);
  });

  test("putBlob goes on from its memory of the last bytes when the body cannot be read again", async () => {
    const { server, stored } = await serveUploads([1_000_000]);
    await push(clientOf(server));
    expect(stored).toEqual([Buffer.from(bytes)]);
  });

  test("putBlob begins again when the registry has forgotten the session", async () => {
    const { server, stored } = await serveUploads([1_000_000], { forgets: true });
    await push(clientOf(server), { reopen });
    expect(stored).toEqual([Buffer.from(bytes)]);
    expect(methodsOf(server).filter((method) => method === "POST").length).toBe(2);
  });

  test("putBlob goes on when the registry tells its offset by Range alone", async () => {
    const { server, stored } = await serveUploads([1_000_000, 0, 1], { hidesOffset: true });
    await push(clientOf(server, { retries: { attempts: 6, minDelayMs: 1 } }), { reopen });
    expect(stored).toEqual([Buffer.from(bytes)]);
  });

  test("putBlob stores the same bytes wherever connections break", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(size), { maxLength: 4 }),
        fc.boolean(),
        fc.boolean(),
        async (breaks, forgets, hidesOffset) => {
          const { server, stored } = await serveUploads([...breaks], { forgets, hidesOffset });
          const client = createClient(server.host, {
            retries: { attempts: 10, minDelayMs: 0.1, maxDelayMs: 1 },
          });
          try {
            await push(client, { reopen });
            expect(stored).toEqual([Buffer.from(bytes)]);
          } finally {
            client.close();
            await server.stop();
          }
        },
      ),
      { numRuns: 15 },
    );
  }, 60_000);

  test("putBlob gives up and cancels the session when nothing gets through any more", async () => {
    const { server, stored } = await serveUploads([0, 0, 0, 0, 0]);
    const { message } = await errorOf(push(clientOf(server), { reopen }), "UNAVAILABLE");
    expect(message).toContain(
      `cannot push to ${server.host}/team/app: the connection to ${server.host} broke`,
    );
    expect(stored).toEqual([]);
    expect(methodsOf(server).at(-1)).toBe("DELETE");
  });

  test("putBlob cancels the session and rejects with the body's own error when that fails", async () => {
    const { server } = await serveUploads([]);
    const broken = new Error("the disk is gone");
    const body = bodyOf(bytes.subarray(0, 100_000), broken);
    expect(await failureOf(clientOf(server).putBlob(repository, { digest, size }, body))).toBe(broken);
    expect(methodsOf(server).at(-1)).toBe("DELETE");
  });

  test.each([1, -1])("putBlob refuses a body that has %d bytes more than announced", async (more) => {
    const { server, stored } = await serveUploads([]);
    const put = clientOf(server).putBlob(repository, { digest, size: size - more }, streamOf(bytes));
    await errorOf(put, "SIZE_INVALID");
    expect(stored).toEqual([]);
  });

  test("putBlob refuses a registry that stored something else", async () => {
    const other = describeBytes(bytesFor(1)).digest;
    const server = await serve(({ method }) =>
      method === "POST"
        ? { status: 202, headers: { location: "/upload" } }
        : { status: 201, headers: { "docker-content-digest": other } },
    );
    await errorOf(push(clientOf(server)), "DIGEST_INVALID");
  });

  test("putBlob ends when the registry refuses before it has the whole body", async () => {
    const server = await serve(
      ({ method }): Reply =>
        method === "POST"
          ? { status: 202, headers: { location: "/upload" } }
          : {
              status: 507,
              body: '{"errors":[{"code":"STORAGE_FULL","message":"no room is left on the disk"}]}',
              headers: { connection: "close" },
            },
    );
    const { message } = await errorOf(push(clientOf(server)), "STORAGE_FULL");
    expect(message).toContain("no room is left on the disk");
  });

  test("putBlob sends its digest behind whatever query the location has", async () => {
    const { server } = await serveUploads([]);
    await push(clientOf(server));
    const { path = "" } = server.seen.at(-1) ?? {};
    expect(path).toBe(`/v2/team/app/blobs/uploads/s1?state=${size}&digest=${encodeURIComponent(digest)}`);
  });

  test("mountBlob cancels the session that a registry begins instead", async () => {
    const { server } = await serveUploads([]);
    expect(
      await clientOf(server).mountBlob(repository, digest as Digest, { from: repository }),
    ).toBeUndefined();
    expect(server.seen[0]?.path).toBe(
      `/v2/team/app/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(repository)}`,
    );
    expect(methodsOf(server)).toEqual(["POST", "DELETE"]);
  });
});
