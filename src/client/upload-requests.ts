import type { Digest, DigestAlgorithm } from "../oci/digests.ts";
import type { RepositoryName } from "../oci/names.ts";
import { pullScope, pushScope, type Scope } from "../oci/scopes.ts";
import type { OperationOptions } from "../registry/registry.ts";
import { type Answer, resolveLocation } from "./exchanges.ts";
import type { Remote } from "./remote.ts";
import { mapStream } from "./sources.ts";

/** An upload session at the other end. */
export interface RemoteSession {
  readonly repository: RepositoryName;
  /** Where to send its next bytes; changes with each answer. Not for messages: it can hold a secret. */
  readonly location: URL;
  /** Bytes that have been received. */
  readonly offset: number;
  /**
   * Whether `offset` may be wrong: registries write `Range: 0-0` for nothing and for one byte, and then it is 0.
   */
  readonly isUnsure: boolean;
}

/** Bytes to add to a session. */
export interface Chunk {
  readonly body: ReadableStream<Uint8Array>;
  /** Bytes of `body`, if known. */
  readonly size?: number;
  /** Has the registry check that the bytes are the next. Needs `size`. */
  readonly isPlaced?: boolean;
}

/** "the post request SHOULD include the digest-algorithm parameter" for other algorithms than sha256 */
export async function beginUpload(
  remote: Remote,
  repository: RepositoryName,
  algorithm: DigestAlgorithm | undefined,
  options: OperationOptions,
): Promise<RemoteSession> {
  const query = algorithm && algorithm !== "sha256" ? `?digest-algorithm=${algorithm}` : "";
  const answer = await remote.ask(
    {
      method: "POST",
      to: `${repository}/blobs/uploads/${query}`,
      scopes: [pushScope(repository)],
      action: `begin an upload to ${remote.nameOf(repository)}`,
      accept: [202],
    },
    options,
  );
  return sessionOf(answer, repository, 0);
}

/**
 * Asks for a mount. Resolves to `undefined` when it was done; else the registry has begun an upload session instead.
 */
export async function requestMount(
  remote: Remote,
  repository: RepositoryName,
  digest: Digest,
  from: RepositoryName | undefined,
  options: OperationOptions,
): Promise<RemoteSession | undefined> {
  const scopes: Scope[] = [pushScope(repository), ...(from ? [pullScope(from)] : [])];
  const source = from ? `&from=${encodeURIComponent(from)}` : "";
  const answer = await remote.ask(
    {
      method: "POST",
      to: `${repository}/blobs/uploads/?mount=${encodeURIComponent(digest)}${source}`,
      scopes,
      action: `mount blob ${digest} in ${remote.nameOf(repository)}`,
      accept: [201, 202],
    },
    options,
  );
  return answer.status === 201 ? undefined : sessionOf(answer, repository, 0);
}

/** Where a session stands. @throws RegistryError BLOB_UPLOAD_UNKNOWN */
export async function findUpload(
  remote: Remote,
  session: RemoteSession,
  options: OperationOptions,
): Promise<RemoteSession> {
  const { repository, location, offset } = session;
  const answer = await remote.ask(
    {
      method: "GET",
      to: location,
      scopes: [pushScope(repository)],
      action: `find the upload to ${remote.nameOf(repository)}`,
      accept: [200, 202, 204],
      notFound: "BLOB_UPLOAD_UNKNOWN",
      isAlwaysNotFound: true,
    },
    options,
  );
  // An answer that does not say how much was received is of no use for going on.
  const found = sessionOf(answer, repository, offset, location);
  return {
    ...found,
    isUnsure: found.isUnsure || !(answer.headers.has("range") || answer.headers.has("upload-offset")),
  };
}

/** Sends bytes, once. Where the session then stands the answer tells, or all was received. */
export async function appendToUpload(
  remote: Remote,
  session: RemoteSession,
  { body, size, isPlaced }: Chunk,
  options: OperationOptions,
): Promise<RemoteSession> {
  const { repository, location, offset } = session;
  let sent = 0;
  const counted = mapStream(body, (piece) => {
    sent += piece.byteLength;
    return piece;
  });
  const answer = await remote.ask(
    {
      method: "PATCH",
      to: location,
      headers: {
        "content-type": "application/octet-stream",
        ...(isPlaced && size ? { "content-range": `${offset}-${offset + size - 1}` } : {}),
      },
      body: counted,
      ...(size === undefined ? {} : { size }),
      scopes: [pushScope(repository)],
      action: `push to ${remote.nameOf(repository)}`,
      accept: [200, 201, 202, 204],
      notFound: "BLOB_UPLOAD_UNKNOWN",
      isAlwaysNotFound: true,
    },
    options,
  );
  return sessionOf(answer, repository, offset + sent, location);
}

/** Ends a session; with `bytes`, they are the whole blob. */
export async function finishUpload(
  remote: Remote,
  { repository, location }: Pick<RemoteSession, "repository" | "location">,
  digest: Digest,
  bytes: Uint8Array | undefined,
  options: OperationOptions,
): Promise<Answer> {
  const to = new URL(location);
  // The location's own query stays as it is: "It SHOULD NOT be assembled manually by clients"
  to.search = `${to.search ? `${to.search}&` : "?"}digest=${encodeURIComponent(digest)}`;
  return remote.ask(
    {
      method: "PUT",
      to,
      headers: bytes ? { "content-type": "application/octet-stream" } : {},
      // A second time it would add the bytes to those of the first.
      ...(bytes ? { body: bytes, isOnce: true } : {}),
      scopes: [pushScope(repository)],
      action: `push blob ${digest} to ${remote.nameOf(repository)}`,
      accept: [200, 201, 202, 204],
      notFound: "BLOB_UPLOAD_UNKNOWN",
      isAlwaysNotFound: true,
    },
    options,
  );
}

/** Drops a session. @throws RegistryError BLOB_UPLOAD_UNKNOWN */
export async function cancelUpload(
  remote: Remote,
  { repository, location }: Pick<RemoteSession, "repository" | "location">,
  options: OperationOptions,
  isOnce = false,
): Promise<void> {
  await remote.ask(
    {
      method: "DELETE",
      to: location,
      isOnce,
      scopes: [pushScope(repository)],
      action: `cancel the upload to ${remote.nameOf(repository)}`,
      accept: [200, 202, 204],
      notFound: "BLOB_UPLOAD_UNKNOWN",
      isAlwaysNotFound: true,
    },
    options,
  );
}

/** How long a session that is given up may take to be cancelled. */
const abandonTimeoutMs = 2000;

/** Cancels a session that is of no more use, if that is possible: else it ends by itself after some time. */
export async function abandonUpload(remote: Remote, session: RemoteSession): Promise<void> {
  // Not by the caller's signal, which may be the reason.
  await cancelUpload(remote, session, { signal: AbortSignal.timeout(abandonTimeoutMs) }, true).catch(
    () => {},
  );
}

const receivedRange = /^(?:bytes=)?0-(\d{1,15})$/;

/** @param received how many bytes it must have, when the answer does not say how many it has */
function sessionOf(
  { headers, url }: Answer,
  repository: RepositoryName,
  received: number,
  before: URL = url,
): RemoteSession {
  const told = headers.get("location");
  const location = told === undefined ? before : resolveLocation(told, url);
  const exact = headers.get("upload-offset"); // as Berth answers
  if (exact !== undefined && /^\d{1,15}$/.test(exact)) {
    return { repository, location, offset: Number(exact), isUnsure: false };
  }
  const last = receivedRange.exec(headers.get("range") ?? "")?.[1];
  if (last === undefined) return { repository, location, offset: received, isUnsure: false };
  if (last === "0") return { repository, location, offset: received === 1 ? 1 : 0, isUnsure: received !== 1 };
  return { repository, location, offset: Number(last) + 1, isUnsure: false };
}
