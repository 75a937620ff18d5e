import { describe, expect } from "bun:test";
import fc from "fast-check";
import type { Registry, UploadSession } from "../registry.ts";
import { streamOf } from "../streams.ts";
import type { Contract } from "./contract.ts";
import {
  repositoryA as a,
  bodyOf,
  bytesFor,
  describeBytes,
  errorOf,
  failureOf,
  readBlob,
} from "./fixtures.ts";

/** How a body ends before its end: after how many bytes, in pieces of which size, and by whom. */
interface Break {
  readonly at: number;
  readonly pieceSize: number;
  readonly by: "body" | "signal";
}

const size = 100_000;
const anyBreak = fc.record({
  at: fc.oneof(fc.nat(size - 1), fc.constantFrom(0, 1, size - 1)),
  pieceSize: fc.oneof(fc.integer({ min: 1000, max: size }), fc.constantFrom(65_536)),
  by: fc.constantFrom("body", "signal"),
}) as fc.Arbitrary<Break>; // safe: constantFrom gives one of its arguments

const bytes = bytesFor(7, size);
const { digest } = describeBytes(bytes);

/** Bodies that break off at any byte. */
export function describeBreaks({ testWith, runs }: Contract): void {
  describe("broken bodies", () => {
    testWith("putBlob keeps nothing when the body breaks off anywhere", (use) =>
      fc.assert(
        fc.asyncProperty(fc.array(anyBreak, { minLength: 1, maxLength: 4 }), (breaks) =>
          use(async (registry) => {
            for (const each of breaks) {
              await broken(each, 0, (body, signal) =>
                registry.putBlob(a, { digest, size }, body, { signal }),
              );
              await errorOf(registry.resolveBlob(a, digest), "BLOB_UNKNOWN");
            }
          }),
        ),
        { numRuns: runs },
      ),
    );

    testWith("appendUpload goes on from the offset when bodies break off anywhere", (use) =>
      fc.assert(
        fc.asyncProperty(fc.array(anyBreak, { minLength: 1, maxLength: 4 }), (breaks) =>
          use((registry) => uploadThrough(registry, breaks)),
        ),
        { numRuns: runs },
      ),
    );
  });
}

async function uploadThrough(registry: Registry, breaks: readonly Break[]): Promise<void> {
  let session: UploadSession = await registry.startUpload(a);
  for (const each of breaks) {
    const { id, offset } = session;
    const options = { offset, size: size - offset };
    await broken(each, offset, (body, signal) => registry.appendUpload(a, id, body, { ...options, signal }));
    session = await registry.getUpload(a, id);
    expect(session.offset).toBeGreaterThanOrEqual(offset);
    expect(session.offset).toBeLessThanOrEqual(Math.max(offset, each.at));
  }
  await registry.appendUpload(a, session.id, streamOf(bytes.subarray(session.offset)));
  await registry.finishUpload(a, session.id, digest);
  expect(await readBlob(registry, a, { digest })).toEqual(bytes);
}

/** Sends the bytes from `offset` on with a break, and checks that it is the break's error that comes back. */
async function broken(
  { at, pieceSize, by }: Break,
  offset: number,
  send: (body: ReadableStream<Uint8Array>, signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const stop = new AbortController();
  const reason = new Error(`broken at ${at}`);
  const pieces: Uint8Array[] = [];
  for (let from = offset; from < at; from += pieceSize) {
    pieces.push(bytes.subarray(from, Math.min(from + pieceSize, at)));
  }
  const body = by === "body" ? bodyOf(...pieces, reason) : abortingBody(pieces, () => stop.abort(reason));
  const error = await failureOf(send(body, stop.signal));
  expect([error, error instanceof Error ? error.cause : undefined]).toContain(reason);
}

/** A body that aborts instead of giving what would come behind its last piece, and then never gives anything. */
function abortingBody(pieces: readonly Uint8Array[], abort: () => void): ReadableStream<Uint8Array> {
  const rest = [...pieces];
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = rest.shift();
        if (piece) return controller.enqueue(piece);
        abort();
        return new Promise<void>(() => {});
      },
    },
    { highWaterMark: 0 },
  );
}
