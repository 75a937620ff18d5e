import { blobDescriptor, type Descriptor } from "../oci/descriptors.ts";
import { algorithmOf, type Digest } from "../oci/digests.ts";
import { type ErrorCode, isRegistryError, RegistryError } from "../oci/errors.ts";
import type { RepositoryName } from "../oci/names.ts";
import { digestOf } from "../registry/hash.ts";
import type { ExpectedBlob, OperationOptions, PutBlobOptions } from "../registry/registry.ts";
import { bytesOf } from "../registry/streams.ts";
import { createVerifier } from "../registry/verification.ts";
import { type Attempts, createAttempts } from "./attempts.ts";
import { resolveBlob } from "./blob-reads.ts";
import { checkStored } from "./digest-headers.ts";
import type { Remote } from "./remote.ts";
import { createSource, type PushSource } from "./sources.ts";
import {
  abandonUpload,
  appendToUpload,
  beginUpload,
  findUpload,
  finishUpload,
  type RemoteSession,
} from "./upload-requests.ts";

/** Blobs of up to so many bytes are held in memory and sent in one request. */
const wholeLimit = 1024 * 1024;

/** Errors after which the same bytes may still arrive. */
const passing: readonly ErrorCode[] = [
  "UNAVAILABLE",
  "INTERNAL",
  "TOOMANYREQUESTS",
  "UNAUTHORIZED", // a token that expired on the way: asking for the offset gets a new one, or fails for good
  "BODY_INCOMPLETE",
  "UPLOAD_RANGE_INVALID",
  "BLOB_UPLOAD_UNKNOWN",
];

/**
 * Pushes a blob. What breaks off goes on from what the registry has received: with bytes from `reopen`, or else with
 * the last few MiB, which are kept. The registry never has all the bytes of a blob of which the size or, when the size is
 * known before, the digest is wrong.
 */
export async function pushBlob(
  remote: Remote,
  repository: RepositoryName,
  expected: ExpectedBlob,
  body: ReadableStream<Uint8Array>,
  options: PutBlobOptions,
): Promise<Descriptor> {
  const { digest, size } = expected;
  const attempts = createAttempts(remote.policy, options.signal);
  if (size !== undefined && size <= wholeLimit) {
    const bytes = await bytesOf(body, { size, signal: options.signal });
    const found = digestOf(bytes, algorithmOf(digest));
    if (found !== digest) {
      throw new RegistryError(
        "DIGEST_INVALID",
        `the ${size} bytes to push have the digest ${found}, not ${digest}`,
      );
    }
    await pushWhole(remote, repository, digest, bytes, attempts, options);
    return blobDescriptor(digest, size);
  }
  const source = createSource(...verified(expected, body, options));
  const sent = await pushStream({ remote, repository, digest, size, source, attempts, options });
  return blobDescriptor(digest, sent);
}

/** What a source is made of, verified as it is read when that can be. */
function verified(
  { digest, size }: ExpectedBlob,
  body: ReadableStream<Uint8Array>,
  options: PutBlobOptions,
): Parameters<typeof createSource> {
  if (size === undefined) return [body, size, options];
  const { reopen, signal } = options;
  const verifier = createVerifier(blobDescriptor(digest, size), signal ? { signal } : {});
  if (!reopen) return [verifier.pass(body), size, options];
  const reopenVerified: typeof reopen = async (offset, openOptions) =>
    verifier.pass(await reopen(offset, openOptions), offset);
  return [verifier.pass(body), size, { ...options, reopen: reopenVerified }];
}

async function pushWhole(
  remote: Remote,
  repository: RepositoryName,
  digest: Digest,
  bytes: Uint8Array,
  attempts: Attempts,
  options: OperationOptions,
): Promise<void> {
  for (;;) {
    // Each attempt has a session of its own: one that broke may have taken some of the bytes.
    const session = await beginUpload(remote, repository, algorithmOf(digest), options);
    try {
      return checkStored(remote, digest, await finishUpload(remote, session, digest, bytes, options));
    } catch (error) {
      await abandonUpload(remote, session);
      await attempts.failed(error, isPassing(error));
    }
  }
}

interface StreamPush {
  readonly remote: Remote;
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly size: number | undefined;
  readonly source: PushSource;
  readonly attempts: Attempts;
  readonly options: OperationOptions;
}

/** Resolves to how many bytes there were. */
async function pushStream(push: StreamPush): Promise<number> {
  const { remote, repository, digest, source, attempts, options } = push;
  let session: RemoteSession | undefined;
  try {
    session = await beginUpload(remote, repository, algorithmOf(digest), options);
    for (let failure: unknown; ; ) {
      const rest = await restOf(push, session, failure);
      try {
        session = rest ? await send(push, session, rest, failure !== undefined) : session;
        await finish(push, session);
        return session.offset;
      } catch (error) {
        failure = error;
        await attempts.failed(error, isPassing(error));
      }
      session = await resume(push, session);
      attempts.reached(session.offset);
    }
  } catch (error) {
    source.cancel(error);
    if (session) await abandonUpload(remote, session);
    options.signal?.throwIfAborted();
    throw error;
  }
}

/** The bytes that the session lacks; `undefined` when it lacks none. */
async function restOf(
  { remote, size, source }: StreamPush,
  { repository, offset }: RemoteSession,
  failure: unknown,
): Promise<ReadableStream<Uint8Array> | undefined> {
  if (failure !== undefined && offset === (size ?? source.size)) return undefined;
  const rest = await source.from(offset);
  if (rest) return rest;
  throw new RegistryError(
    "BODY_INCOMPLETE",
    `cannot go on with a push to ${remote.nameOf(repository)} that broke off: the registry has ${offset} bytes, and ` +
      `what follows cannot be read again, so push it again; what broke it: ${failure instanceof Error ? failure.message : failure}`,
    { cause: failure },
  );
}

async function send(
  { remote, size, source, options }: StreamPush,
  session: RemoteSession,
  body: ReadableStream<Uint8Array>,
  isPlaced: boolean,
): Promise<RemoteSession> {
  const total = size ?? source.size;
  const chunk = { body, isPlaced, ...(total === undefined ? {} : { size: total - session.offset }) };
  const after = await appendToUpload(remote, session, chunk, options);
  const wanted = total ?? source.size;
  if (wanted === undefined || after.offset === wanted) return after;
  throw new RegistryError(
    "UPLOAD_RANGE_INVALID",
    `cannot push to ${remote.nameOf(session.repository)}: ${remote.name} has ${after.offset} of ${wanted} bytes`,
  );
}

/** Where to go on after a break. */
async function resume(
  { remote, repository, digest, size, source, options }: StreamPush,
  session: RemoteSession,
): Promise<RemoteSession> {
  try {
    const found = await findUpload(remote, { ...session, offset: 0 }, options);
    const total = size ?? source.size ?? Number.POSITIVE_INFINITY;
    if (!found.isUnsure && found.offset <= total) return found;
    await abandonUpload(remote, found);
  } catch (error) {
    if (!isRegistryError(error, "BLOB_UPLOAD_UNKNOWN")) throw error;
  }
  return beginUpload(remote, repository, algorithmOf(digest), options);
}

async function finish({ remote, digest, options }: StreamPush, session: RemoteSession): Promise<void> {
  try {
    checkStored(remote, digest, await finishUpload(remote, session, digest, undefined, options));
  } catch (error) {
    // An attempt whose answer was lost may have ended the session.
    if (!isRegistryError(error, "BLOB_UPLOAD_UNKNOWN")) throw error;
    await resolveBlob(remote, session.repository, digest, options).catch(() => {
      throw error;
    });
  }
}

function isPassing(error: unknown): boolean {
  return isRegistryError(error) && passing.includes(error.code);
}
