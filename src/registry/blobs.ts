import { streamFile } from "#stream-file";
import type { Descriptor } from "../oci/descriptors.ts";
import { RegistryError } from "../oci/errors.ts";
import type { BlobHandle, ByteRange, OpenBlobOptions, OperationOptions } from "./registry.ts";
import { streamOf } from "./streams.ts";

/**
 * Opens a blob, or a part of it, whatever kind of source it has. Whoever gets the stream reads it to its end or
 * cancels it. The digest is not verified; a source that ends early makes the stream fail.
 * @throws RegistryError BLOB_RANGE_INVALID; UNAVAILABLE when the address does not answer with the bytes
 */
export async function openBlob(
  { descriptor, source }: BlobHandle,
  range?: ByteRange,
  options: OpenBlobOptions = {},
): Promise<ReadableStream<Uint8Array>> {
  options.signal?.throwIfAborted();
  if (range) checkRange(descriptor, range);
  if (source.kind === "stream") return source.open(range, options);
  if (source.kind === "bytes")
    return streamOf(range ? source.bytes.subarray(range.first, range.last + 1) : source.bytes);
  if (source.kind === "url") return openUrl(source.url, descriptor, range, options);
  const { digest, size } = descriptor;
  return streamFile(
    source.path,
    range ?? { first: 0, last: size - 1 },
    (at) => new RegistryError("INTERNAL", `the file of blob ${digest} ends at ${at} of ${size} bytes`),
  );
}

/** @throws RegistryError BLOB_RANGE_INVALID when the blob has no such bytes */
export function checkRange({ digest, size }: Descriptor, { first, last }: ByteRange): void {
  const isWhole = Number.isSafeInteger(first) && Number.isSafeInteger(last);
  if (isWhole && 0 <= first && first <= last && last < size) return;
  throw new RegistryError(
    "BLOB_RANGE_INVALID",
    `blob ${digest} has ${size} bytes, not those from ${first} to ${last}`,
  );
}

async function openUrl(
  url: string,
  { digest, size }: Descriptor,
  range: ByteRange | undefined,
  { signal }: OperationOptions,
): Promise<ReadableStream<Uint8Array>> {
  const isPart = range && (range.first > 0 || range.last < size - 1);
  // The host alone stands in messages: the rest of a signed address is a secret.
  const found = (what: string, cause?: unknown) =>
    new RegistryError("UNAVAILABLE", `cannot read blob ${digest} from ${new URL(url).host}: ${what}`, {
      cause,
    });
  const response = await fetch(url, {
    headers: {
      "accept-encoding": "identity",
      ...(isPart ? { range: `bytes=${range.first}-${range.last}` } : {}),
    },
    ...(signal ? { signal } : {}),
  }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw found(cause instanceof Error ? cause.message : String(cause), cause);
  });
  const expected = isPart ? 206 : 200;
  if (response.status === expected) return response.body ?? emptyStream();
  await response.body?.cancel();
  throw found(`it answered with status ${response.status}, expected ${expected}`);
}

function emptyStream(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.close() });
}
