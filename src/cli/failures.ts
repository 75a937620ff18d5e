import { TransportError } from "../client/transport.ts";
import { isRegistryError, type RegistryError } from "../oci/errors.ts";
import { UsageError } from "./command.ts";

/** How a command that threw ends. */
export interface Failure {
  readonly exitCode: number;
  /** For programs: a code of the error table, of the operating system, or USAGE. */
  readonly code: string;
  /** One sentence for people; empty when there is nothing to say. */
  readonly message: string;
}

/** Why the signal of a command was aborted. */
export class Interruption extends Error {
  override readonly name = "Interruption";
  readonly exitCode: number;

  /** @param exitCode as shells count: 128 and the signal's number */
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What to tell a person about anything thrown. `signal` is that of the command. */
export function describeFailure(error: unknown, signal: AbortSignal): Failure {
  const reason: unknown = signal.aborted ? signal.reason : error;
  if (reason instanceof Interruption) {
    return { exitCode: reason.exitCode, code: "INTERRUPTED", message: reason.message };
  }
  if (error instanceof UsageError) return { exitCode: 2, code: "USAGE", message: error.message };
  if (isRegistryError(error)) {
    return { exitCode: 1, code: error.code, message: `${error.message}${flagFor(error)}` };
  }
  if (isSystemError(error)) return { exitCode: 1, code: error.code, message: describeSystemError(error) };
  const message = error instanceof Error ? error.message : String(error);
  return {
    exitCode: 1,
    code: "INTERNAL",
    message: `${message}: a fault of Berth, BERTH_DEBUG=1 shows where`,
  };
}

/** The flag that does what a library's message advises. */
function flagFor({ message, cause }: RegistryError): string {
  const failure = cause instanceof TransportError ? cause.failure : undefined;
  if (failure === "certificate") return " (--ca-file FILE)";
  if (failure === "no-tls") return " (--plain-http)";
  if (/\bthe CA file "/.test(message)) return " (--ca-file)";
  // Only this machine is spoken to in plain HTTP without being asked to.
  return /: use HTTPS\b/.test(message) ? " (--ca-file FILE, of its certificate's authority)" : "";
}

interface SystemError extends Error {
  readonly code: string;
  readonly path?: unknown;
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

const systemMessages: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EACCES: "not allowed: check whose it is and who may use it",
  EPERM: "not allowed: check whose it is and who may use it",
  EROFS: "its file system is read-only",
  ENOSPC: "the disk is full: make room and run the same command again",
  EDQUOT: "the disk quota is used up: make room and run the same command again",
  EMFILE: "too many files are open: raise the limit (ulimit -n)",
  EIO: "the disk cannot read or write it",
  ENOTDIR: "a part of the path is no folder",
  EISDIR: "it is a folder, a file was expected",
  EEXIST: "something else of that name is there: choose another",
};

/** What SQLite says of the metadata, by the beginning of its code. */
const databaseMessages: Readonly<Record<string, string>> = {
  SQLITE_FULL: "the disk of the metadata is full: make room and run the same command again",
  SQLITE_IOERR: "the disk of the metadata is full or failing: make room and run the same command again",
  SQLITE_CORRUPT:
    "the metadata are damaged: berth verify tells how far, and a backup has them whole (berth restore)",
  SQLITE_NOTADB: "the metadata are damaged: put them back from a backup (berth restore)",
};

function describeSystemError(error: SystemError): string {
  const database = Object.entries(databaseMessages).find(([code]) => error.code.startsWith(code))?.[1];
  if (database) return `${error.message}: ${database}`;
  const known = systemMessages[error.code];
  if (!known) return error.message;
  return typeof error.path === "string" ? `${error.path}: ${known}` : known;
}
