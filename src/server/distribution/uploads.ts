import { type Digest, parseDigest, parseDigestAlgorithm } from "../../oci/digests.ts";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import { isRepositoryName, type RepositoryName } from "../../oci/names.ts";
import type { AppendOptions, UploadSession } from "../../registry/registry.ts";
import type { Context } from "../context.ts";
import { emptyResponse } from "../responses.ts";
import { parseContentRange } from "./ranges.ts";

/** A body of up to this many bytes has to come within the server's own idle time. */
const smallBody = 64 * 1024;

/** POST: mounts, takes a whole blob, or begins an upload session. */
export async function postUpload(context: Context, repository: RepositoryName): Promise<Response> {
  const { query, registry, request } = context;
  const mount = query.get("mount");
  if (mount !== null) {
    const mounted = await mountBlob(context, repository, parseDigest(mount));
    if (mounted) return mounted;
  }
  const digest = query.get("digest");
  if (digest !== null && mount === null) {
    const expected = { digest: parseDigest(digest), ...sizeOf(request) };
    const stored = await registry.putBlob(repository, expected, bodyOf(context), {
      signal: request.signal,
      isHandedOver: true,
    });
    context.count(stored.size, 0);
    return createdBlob(context, repository, stored.digest);
  }
  const algorithm = algorithmIn(context);
  const session = await registry.startUpload(repository, algorithm ? { algorithm } : {});
  return accepted(context, session);
}

// "if a registry does not support cross-repository mounting or is unable to mount the requested blob, it SHOULD return
// a 202. This indicates that the upload session has begun"
async function mountBlob(
  context: Context,
  repository: RepositoryName,
  digest: Digest,
): Promise<Response | undefined> {
  const from = context.query.get("from");
  if (from !== null && !isRepositoryName(from)) return undefined;
  const mounted = await context.registry.mountBlob(repository, digest, from === null ? {} : { from });
  return mounted && createdBlob(context, repository, digest);
}

/** PATCH: adds a chunk, or all of a stream. */
export async function patchUpload(
  context: Context,
  repository: RepositoryName,
  id: string,
): Promise<Response> {
  const session = await append(context, repository, id);
  return accepted(context, session);
}

/** PUT: adds the last chunk, if there is one, and makes the upload a blob. */
export async function putUpload(context: Context, repository: RepositoryName, id: string): Promise<Response> {
  const { query } = context;
  const text = query.get("digest");
  if (text === null) {
    throw new RegistryError(
      "DIGEST_INVALID",
      "the request that ends an upload needs ?digest=<digest of the blob>",
    );
  }
  const digest = parseDigest(text);
  await endUpload(context, repository, id, digest);
  return createdBlob(context, repository, digest);
}

async function endUpload(
  context: Context,
  repository: RepositoryName,
  id: string,
  digest: Digest,
): Promise<void> {
  const { registry, request } = context;
  const { size } = sizeOf(request);
  if (size !== undefined && size > 0 && size <= smallBody && !request.headers.has("content-range")) {
    const session = await registry.getUpload(repository, id);
    if (session.offset === 0) return putSmall(context, repository, id, { digest, size });
  }
  if (mayHaveBody(request) || request.headers.has("content-range"))
    await append(context, repository, id, digest);
  await registry.finishUpload(repository, id, digest);
}

/** A whole blob so small that it is sent again rather than gone on with: the session need not hold it. */
async function putSmall(
  context: Context,
  repository: RepositoryName,
  id: string,
  expected: { readonly digest: Digest; readonly size: number },
): Promise<void> {
  const { registry, request } = context;
  try {
    await registry.putBlob(repository, expected, bodyOf(context), {
      signal: request.signal,
      isHandedOver: true,
    });
  } catch (error) {
    if (isRegistryError(error, "DIGEST_INVALID")) await registry.cancelUpload(repository, id);
    throw error; // else the same request can be sent again
  }
  await registry.cancelUpload(repository, id);
  context.count(expected.size, 0);
}

/** GET: the state of a session. "The response to an active upload MUST be a 204 No Content response code" */
export async function getUpload(context: Context, repository: RepositoryName, id: string): Promise<Response> {
  const session = await context.registry.getUpload(repository, id);
  return new Response(null, { status: 204, headers: sessionHeaders(context, session) });
}

export async function deleteUpload(
  context: Context,
  repository: RepositoryName,
  id: string,
): Promise<Response> {
  await context.registry.cancelUpload(repository, id);
  return new Response(null, { status: 204 });
}

async function append(
  context: Context,
  repository: RepositoryName,
  id: string,
  digest?: Digest,
): Promise<UploadSession> {
  const { request, registry } = context;
  const algorithm = digest ? parseDigestAlgorithm(digest.slice(0, 6)) : algorithmIn(context);
  const contentRange = request.headers.get("content-range");
  const options: AppendOptions = {
    signal: request.signal,
    isHandedOver: true,
    ...(algorithm ? { algorithm } : {}),
    ...(contentRange === null ? sizeOf(request) : chunkOf(contentRange, request)),
  };
  try {
    const before = options.size === undefined ? (await registry.getUpload(repository, id)).offset : undefined;
    const session = await registry.appendUpload(repository, id, bodyOf(context), options);
    context.count(before === undefined ? (options.size ?? 0) : session.offset - before, 0);
    return session;
  } catch (error) {
    throw await withPlace(error, registry, repository, id);
  }
}

/** Tells a client that is out of step where to go on. */
async function withPlace(
  error: unknown,
  registry: Context["registry"],
  repository: RepositoryName,
  id: string,
): Promise<unknown> {
  if (!isRegistryError(error, "UPLOAD_RANGE_INVALID") || error.detail !== undefined) return error;
  const session = await registry.getUpload(repository, id).catch(() => undefined); // the first error is the one to tell
  return session
    ? new RegistryError(error.code, error.message, { detail: { offset: session.offset }, cause: error })
    : error;
}

function chunkOf(header: string, request: Request): AppendOptions {
  const { first, last } = parseContentRange(header);
  const size = last - first + 1;
  const announced = sizeOf(request).size;
  if (announced !== undefined && announced !== size) {
    throw new RegistryError(
      "SIZE_INVALID",
      `Content-Range ${header} speaks of ${size} bytes, Content-Length of ${announced}`,
    );
  }
  return { offset: first, size };
}

function algorithmIn({ query }: Context) {
  const name = query.get("digest-algorithm");
  return name === null ? undefined : parseDigestAlgorithm(name);
}

function sizeOf(request: Request): { size?: number } {
  const length = request.headers.get("content-length");
  return length === null ? {} : { size: Number(length) };
}

function mayHaveBody(request: Request): boolean {
  const length = request.headers.get("content-length");
  return length === null ? request.headers.has("transfer-encoding") : length !== "0";
}

function bodyOf(context: Context): ReadableStream<Uint8Array> {
  const { size } = sizeOf(context.request);
  if (size === undefined || size > smallBody) context.allowSlowBody();
  // Safe: bun-types and the library disagree about the type of the same stream.
  return (context.request.body as ReadableStream<Uint8Array> | null) ?? emptyStream();
}

function emptyStream(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.close() });
}

function accepted(context: Context, session: UploadSession): Response {
  return emptyResponse(202, sessionHeaders(context, session));
}

// "MUST have the following headers: Location: <blob-push-location>, Range: 0-<end-of-range>"
function sessionHeaders(context: Context, session: UploadSession): Record<string, string> {
  const algorithm = algorithmIn(context);
  const query = algorithm ? `?digest-algorithm=${algorithm}` : "";
  return {
    location: context.publicPath(`/v2/${session.repository}/blobs/uploads/${session.id}${query}`),
    range: `0-${Math.max(0, session.offset - 1)}`,
    // Range says the same for no byte and for one; our own client goes by this.
    "upload-offset": String(session.offset),
    "docker-upload-uuid": session.id,
  };
}

function createdBlob(context: Context, repository: RepositoryName, digest: Digest): Response {
  return emptyResponse(201, {
    location: context.publicPath(`/v2/${repository}/blobs/${digest}`),
    "docker-content-digest": digest,
  });
}
