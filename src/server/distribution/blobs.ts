import type { Digest } from "../../oci/digests.ts";
import { isRegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import type { BlobHandle, ByteRange } from "../../registry/registry.ts";
import type { Context } from "../context.ts";
import { emptyResponse, isNotModified } from "../responses.ts";
import { parseRange } from "./ranges.ts";

/** GET of a blob: the bytes by sendfile, by redirect, or as a stream. */
export async function getBlob(
  context: Context,
  repository: RepositoryName,
  digest: Digest,
): Promise<Response> {
  const { request, registry } = context;
  const handle = await registry.getBlob(repository, digest);
  const etag = `"${digest}"`;
  const headers = blobHeaders(digest, etag);
  if (isNotModified(request, etag)) return new Response(null, { status: 304, headers });
  const { size } = handle.descriptor;
  const asked = request.headers.get("range");
  const condition = request.headers.get("if-range");
  const range =
    asked !== null && (condition === null || condition === etag) ? parseRange(asked, size) : undefined;
  const sent = range ? range.last - range.first + 1 : size;
  context.allowSlowReader(sent);
  context.count(0, sent);
  return sendBlob(handle, range, headers);
}

/**
 * HEAD of a blob. Where this repository lacks it and another that the caller may read holds it, it is linked here: the
 * client then need not send it. What was deleted from here on purpose stays deleted.
 */
export async function headBlob(
  context: Context,
  repository: RepositoryName,
  digest: Digest,
): Promise<Response> {
  const { request, registry } = context;
  const descriptor = await registry.resolveBlob(repository, digest).catch(async (error) => {
    if (!isRegistryError(error, "BLOB_UNKNOWN")) throw error;
    const mounted = await registry.mountBlob(repository, digest, { unlessDeleted: true });
    if (!mounted) throw error;
    return mounted;
  });
  const etag = `"${digest}"`;
  const headers = blobHeaders(digest, etag);
  if (isNotModified(request, etag)) return new Response(null, { status: 304, headers });
  headers["content-length"] = String(descriptor.size);
  return new Response(null, { headers });
}

export async function deleteBlob(
  context: Context,
  repository: RepositoryName,
  digest: Digest,
): Promise<Response> {
  await context.registry.deleteBlob(repository, digest);
  return emptyResponse(202, {});
}

function blobHeaders(digest: Digest, etag: string): Record<string, string> {
  return {
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    etag,
    "accept-ranges": "bytes",
    "cache-control": "public, max-age=31536000, immutable",
  };
}

async function sendBlob(
  handle: BlobHandle,
  range: ByteRange | undefined,
  headers: Record<string, string>,
): Promise<Response> {
  const { source, descriptor } = handle;
  const status = range ? 206 : 200;
  if (range) headers["content-range"] = `bytes ${range.first}-${range.last}/${descriptor.size}`;
  if (source.kind === "url") return new Response(null, { status: 307, headers: { location: source.url } });
  if (source.kind === "stream") return new Response(await source.open(range), { status, headers });
  if (descriptor.size === 0) return emptyResponse(status, headers);
  if (source.kind === "bytes") {
    const bytes = range ? source.bytes.subarray(range.first, range.last + 1) : source.bytes;
    // Safe: a Uint8Array over an ArrayBuffer; the type leaves room for shared ones.
    return new Response(bytes as Uint8Array<ArrayBuffer>, { status, headers });
  }
  const file = Bun.file(source.path);
  return new Response(range ? file.slice(range.first, range.last + 1) : file, { status, headers });
}
