import { isRegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import type { Registry } from "../registry.ts";
import { joinChunks, streamOf } from "../streams.ts";
import { bytesFor, describeBytes } from "./fixtures.ts";
import { blobAt, type Operation } from "./operations.ts";

interface Session {
  readonly repository: RepositoryName;
  readonly id: string;
  /** What it has received. */
  readonly sent: Uint8Array[];
}

type Of<Kind extends Operation["kind"]> = Extract<Operation, { kind: Kind }>;

/** The operations that this file does. */
export type UploadOperation = Extract<Operation, { kind: `${string}Upload` }>;

/** Does operations on upload sessions and remembers those that are open. */
export interface UploadPlayer {
  play(repository: RepositoryName, operation: UploadOperation): Promise<unknown>;
  /** Ends the sessions that are open. */
  end(): Promise<void>;
}

/** Begins without sessions. */
export function createUploadPlayer(registry: Registry): UploadPlayer {
  const open: Session[] = [];
  /** Counted from the session that was begun last. */
  const sessionAt = (back: number): Session =>
    open[open.length - 1 - back] ?? { repository: "none" as RepositoryName, id: "none", sent: [] }; // safe: unused

  const end = async (session: Session, act: () => Promise<unknown>): Promise<unknown> => {
    try {
      const result = await act();
      open.splice(open.indexOf(session) >>> 0, 1);
      return result;
    } catch (error) {
      if (isRegistryError(error, "DIGEST_INVALID")) open.splice(open.indexOf(session) >>> 0, 1);
      throw error;
    }
  };

  return {
    async play(repository, operation) {
      if (operation.kind === "startUpload") {
        const { id, offset } = await registry.startUpload(repository);
        open.push({ repository, id, sent: [] });
        return offset;
      }
      const session = sessionAt(operation.session);
      switch (operation.kind) {
        case "getUpload":
          return (await registry.getUpload(repository, session.id)).offset;
        case "cancelUpload":
          return end(session, () => registry.cancelUpload(repository, session.id));
        case "appendUpload":
          return append(registry, repository, session, operation);
        case "finishUpload": {
          const { digest } = describeBytes(operation.wrong ? bytesFor(55) : joinChunks(session.sent));
          return end(session, () => registry.finishUpload(repository, session.id, digest));
        }
      }
    },
    async end() {
      for (const { repository, id } of open) await registry.cancelUpload(repository, id);
    },
  };
}

/** Appends one half of a blob, where the session ends or just behind that. */
async function append(
  registry: Registry,
  repository: RepositoryName,
  session: Session,
  { blob, half, shift, short }: Of<"appendUpload">,
): Promise<unknown> {
  const { bytes } = blobAt(blob);
  const middle = bytes.byteLength >> 1;
  const part = half === 0 ? bytes.subarray(0, middle) : bytes.subarray(middle);
  const { offset } = await registry.getUpload(repository, session.id);
  const options = { offset: offset + shift, size: part.byteLength + (short ? 1 : 0) };
  try {
    return (await registry.appendUpload(repository, session.id, streamOf(part, 9999), options)).offset;
  } finally {
    const received = (await registry.getUpload(repository, session.id)).offset - offset;
    session.sent.push(part.subarray(0, received));
  }
}
