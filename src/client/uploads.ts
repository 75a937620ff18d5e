import { blobDescriptor } from "../oci/descriptors.ts";
import { isRegistryError, RegistryError } from "../oci/errors.ts";
import type { RepositoryName } from "../oci/names.ts";
import type { AppendOptions, OperationOptions, UploadSession, UploadWriter } from "../registry/registry.ts";
import { resolveBlob } from "./blob-reads.ts";
import type { Remote } from "./remote.ts";
import {
  abandonUpload,
  appendToUpload,
  beginUpload,
  cancelUpload,
  findUpload,
  finishUpload,
  type RemoteSession,
} from "./upload-requests.ts";

const idShape = /^[A-Za-z0-9._-]{1,128}$/;
/** How many sessions are remembered; those that nobody ends would be too many some day. */
const maxSessions = 10_000;

interface Entry {
  session: RemoteSession;
  isWriting: boolean;
}

/**
 * Upload sessions of a remote registry. Where a session is, which a registry may hide in its address, is remembered in
 * the client that began it; another client finds it only at registries that go by its id.
 */
export function createUploads(remote: Remote): UploadWriter {
  const entries = new Map<string, Entry>();

  const keyOf = (repository: RepositoryName, id: string): string => `${repository}:${id}`;

  const entryOf = (repository: RepositoryName, id: string): Entry => {
    const known = entries.get(keyOf(repository, id));
    if (known) return known;
    if (!idShape.test(id) || id === "." || id === "..") throw unknown(remote, repository);
    const location = remote.urlOf(`${repository}/blobs/uploads/${id}`);
    return { session: { repository, location, offset: 0, isUnsure: true }, isWriting: false };
  };

  const remember = (id: string, entry: Entry): void => {
    const key = keyOf(entry.session.repository, id);
    const [oldest] = entries.keys();
    if (oldest !== undefined && entries.size >= maxSessions && !entries.has(key)) entries.delete(oldest);
    entries.set(key, entry);
  };

  /** Does something with a session, and forgets it when it turns out to be gone. */
  const using = async <T>(
    repository: RepositoryName,
    id: string,
    act: (entry: Entry) => Promise<T>,
  ): Promise<T> => {
    try {
      return await act(entryOf(repository, id));
    } catch (error) {
      if (isRegistryError(error, "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID")) {
        entries.delete(keyOf(repository, id));
      }
      throw error;
    }
  };

  /** Asks where a session stands. */
  const refresh = async (id: string, entry: Entry, options: OperationOptions): Promise<RemoteSession> => {
    const found = await findUpload(remote, entry.session, options);
    entry.session = found;
    remember(id, entry);
    return found;
  };

  /** What is believed here is checked by asking; whether that is still so, by the registry as the bytes come. */
  const checkOffset = async (id: string, entry: Entry, options: AppendOptions): Promise<void> => {
    const { offset } = options;
    if (offset === undefined || (!entry.session.isUnsure && entry.session.offset === offset)) return;
    const found = await refresh(id, entry, options);
    if (found.offset === offset) return;
    throw new RegistryError(
      "UPLOAD_RANGE_INVALID",
      `the upload to ${remote.nameOf(found.repository)} has ${found.offset} bytes: go on from there, not from ${offset}`,
      { detail: { offset: found.offset } },
    );
  };

  return {
    async startUpload(repository, options = {}) {
      const session = await beginUpload(remote, repository, options.algorithm, options);
      const id = idOf(session);
      remember(id, { session, isWriting: false });
      return { repository, id, offset: session.offset };
    },

    getUpload: (repository, id, options = {}) =>
      using(repository, id, async (entry) => describe(id, await refresh(id, entry, options))),

    appendUpload: (repository, id, body, options = {}) =>
      using(repository, id, async (entry) => {
        if (entry.isWriting) throw alreadyWriting(remote, repository);
        entry.isWriting = true;
        remember(id, entry);
        try {
          await checkOffset(id, entry, options);
          const { offset, size } = options;
          const chunk = { body, isPlaced: offset !== undefined, ...(size === undefined ? {} : { size }) };
          entry.session = await appendToUpload(remote, entry.session, chunk, options);
        } catch (error) {
          entry.session = { ...entry.session, isUnsure: true };
          if (!body.locked) body.cancel(error).catch(() => {}); // `error` says more
          throw error;
        } finally {
          entry.isWriting = false;
        }
        return describe(id, entry.session);
      }),

    finishUpload: (repository, id, digest, options = {}) =>
      using(repository, id, async ({ session }) => {
        await finishUpload(remote, session, digest, undefined, options).catch(async (error: unknown) => {
          // Some registries keep the session then.
          if (isRegistryError(error, "DIGEST_INVALID")) await abandonUpload(remote, session);
          throw error;
        });
        entries.delete(keyOf(repository, id));
        if (session.isUnsure) return resolveBlob(remote, repository, digest, options);
        return blobDescriptor(digest, session.offset);
      }),

    cancelUpload: (repository, id, options = {}) =>
      using(repository, id, async ({ session }) => {
        await cancelUpload(remote, session, options);
        entries.delete(keyOf(repository, id));
      }),
  };
}

function describe(id: string, { repository, offset }: RemoteSession): UploadSession {
  return { repository, id, offset };
}

/** The end of a session's address, where registries have its id, or else an id of our own. */
function idOf({ location }: RemoteSession): string {
  const end = location.pathname.slice(location.pathname.lastIndexOf("/") + 1);
  if (idShape.test(end)) return end;
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

function unknown(remote: Remote, repository: RepositoryName): RegistryError {
  return new RegistryError("BLOB_UPLOAD_UNKNOWN", `there is no such upload to ${remote.nameOf(repository)}`);
}

function alreadyWriting(remote: Remote, repository: RepositoryName): RegistryError {
  return new RegistryError(
    "UPLOAD_RANGE_INVALID",
    `another request is writing to the upload to ${remote.nameOf(repository)}: wait until it has ended`,
  );
}
