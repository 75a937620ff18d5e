import { algorithmOf, type Digest } from "../oci/digests.ts";
import { RegistryError } from "../oci/errors.ts";
import type { RepositoryName } from "../oci/names.ts";
import { createHasher } from "../registry/hash.ts";
import type { ByteRange, OpenBlobOptions, OperationOptions } from "../registry/registry.ts";
import { createAttempts } from "./attempts.ts";
import { blobQuestion } from "./blob-reads.ts";
import { type Answer, ExchangeError } from "./exchanges.ts";
import { unreachable } from "./failures.ts";
import { contentRangeOf, sizeOf, strongTagOf } from "./ranges.ts";
import type { Remote } from "./remote.ts";
import { TransportError } from "./transport.ts";

/** The blob to read. */
export interface Download {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  /** Bytes, if known. */
  readonly size?: number | undefined;
  /** Only these bytes. */
  readonly range?: ByteRange | undefined;
}

/** What came of one request for a blob or the rest of it. */
interface Part {
  readonly url: URL;
  readonly reader: ReturnType<typeof readerOf>;
  /** Where its first byte stands in the blob: before what was asked for, when the server knows no ranges. */
  readonly first: number;
  /** Of the whole blob, as far as the server told. */
  readonly size: number | undefined;
  readonly tag: string | undefined;
}

/** Reads pieces one after the other, across broken connections. */
interface PieceReader {
  readonly size: number | undefined;
  /** The next piece; `undefined` at the end. */
  next(): Promise<Uint8Array | undefined>;
  cancel(reason: unknown): Promise<void>;
}

/**
 * Reads a blob. When the connection breaks, it goes on from the last byte, at a server that knows no ranges by passing
 * over what came already. Size and, unless only a part was asked for or the reader does it, digest are verified: the stream fails with
 * SIZE_INVALID or DIGEST_INVALID instead of ending.
 * @throws RegistryError BLOB_UNKNOWN; UNAVAILABLE; BLOB_RANGE_INVALID when the blob ends before the range
 */
export async function openDownload(
  remote: Remote,
  download: Download,
  options: OpenBlobOptions,
): Promise<ReadableStream<Uint8Array>> {
  const { digest, range } = download;
  const reader = await createPieceReader(remote, download, options);
  const isWhole = !range || (range.first === 0 && range.last + 1 === reader.size);
  const hasher = isWhole && !options.isUnverified ? createHasher(algorithmOf(digest)) : undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = await reader.next();
        if (piece) {
          hasher?.update(piece);
          return controller.enqueue(piece);
        }
        const found = hasher?.digest() ?? digest;
        if (found !== digest) {
          throw new RegistryError(
            "DIGEST_INVALID",
            `${remote.name} sent other bytes for ${digest}: they have ${found}`,
          );
        }
        controller.close();
      },
      cancel: reader.cancel,
    },
    { highWaterMark: 0 },
  );
}

async function createPieceReader(
  remote: Remote,
  download: Download,
  options: OperationOptions,
): Promise<PieceReader> {
  const { range } = download;
  const attempts = createAttempts(remote.policy, options.signal);
  let at = range?.first ?? 0;
  let part = await requestPart(remote, download, at, undefined, options);
  /** Where the next byte of `part` stands. */
  let position = part.first;
  const { tag } = part;
  const size = download.size ?? part.size;
  const end = range ? range.last + 1 : size;

  /** The next piece of `part` that is still wanted. */
  const nextOfPart = async (): Promise<Uint8Array | undefined> => {
    for (;;) {
      const { value, done } = await part.reader.read();
      if (done && end !== undefined && at < end) throw new TransportError("reset", "it ended early");
      if (done) return undefined;
      const start = position;
      position += value.byteLength;
      if (position <= at) continue; // came before the break
      if (end === undefined || position <= end) return value.subarray(at - start);
      // At a server that knows no ranges, the rest of the blob follows; else what follows is wrong.
      if (!range) throw wrongSize(remote, download, `more than ${end}`, end);
      part.reader.cancel().catch(() => {}); // no more is wanted
      return at < end ? value.subarray(at - start, end - start) : undefined;
    }
  };

  const next = async (): Promise<Uint8Array | undefined> => {
    for (;;) {
      try {
        if (range && at === end) return undefined;
        const piece = await nextOfPart();
        at += piece?.byteLength ?? 0;
        return piece;
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!(error instanceof TransportError)) throw error;
        attempts.reached(at);
        await attempts.failed(brokenOff(remote, download, part, error, at, end), true);
      }
      part = await requestPart(remote, { ...download, size }, at, tag, options);
      position = part.first;
    }
  };
  return { size, next, cancel: (reason) => part.reader.cancel(reason) };
}

async function requestPart(
  remote: Remote,
  { repository, digest, size, range }: Download,
  at: number,
  tag: string | undefined,
  options: OperationOptions,
): Promise<Part> {
  const question = blobQuestion(remote, repository, digest, `read blob ${digest} of`);
  const isPart = at > 0 || range !== undefined;
  const rangeHeaders = { range: `bytes=${at}-${range?.last ?? ""}`, ...(tag ? { "if-range": tag } : {}) };
  const answer = await remote.ask(
    {
      ...question,
      streams: true,
      accept: isPart ? [200, 206, 416] : [200],
      headers: { ...question.headers, ...(isPart ? rangeHeaders : {}) },
    },
    options,
  );
  const part = partOf(answer, at);
  if (!part || (range && part.size !== undefined && range.last >= part.size)) {
    await part?.reader.cancel();
    throw new RegistryError(
      "BLOB_RANGE_INVALID",
      `cannot ${question.action}: it does not have the bytes from ${at} to ${range?.last ?? "its end"}`,
    );
  }
  if (size === undefined || part.size === undefined || part.size === size) return part;
  await part.reader.cancel();
  throw wrongSize(remote, { digest }, `${part.size}`, size);
}

/** Its type is what bun-types and the types of Node do not agree about. */
function readerOf(body: ReadableStream<Uint8Array>) {
  return body.getReader();
}

/** `undefined` when there are no such bytes. */
function partOf({ status, headers, body, url }: Answer, at: number): Part | undefined {
  if (!body) return undefined;
  const shared = { url, reader: readerOf(body), tag: strongTagOf(headers) };
  if (status === 200) return { ...shared, first: 0, size: sizeOf(headers) };
  const { first = at, size } = contentRangeOf(headers) ?? {};
  if (first <= at) return { ...shared, first, size };
  shared.reader.cancel().catch(() => {}); // these bytes were not asked for
  return undefined;
}

function wrongSize(
  remote: Remote,
  { digest }: Pick<Download, "digest">,
  found: string,
  size: number,
): RegistryError {
  return new RegistryError(
    "SIZE_INVALID",
    `${remote.name} sent ${found} bytes for ${digest}, which has ${size}`,
  );
}

function brokenOff(
  remote: Remote,
  { repository, digest }: Download,
  { url }: Part,
  error: TransportError,
  at: number,
  end: number | undefined,
): RegistryError {
  const action = `read blob ${digest} of ${remote.nameOf(repository)} beyond byte ${at}${end ? ` of ${end}` : ""}`;
  return unreachable(new ExchangeError(error, url, remote.policy.attempts), { action });
}
