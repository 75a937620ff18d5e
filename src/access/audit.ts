import type { AuditEntry, AuditMetadata } from "../store/metadata/audit.ts";
import { chainHash } from "./audit-chain.ts";
import { createRefusalFloods } from "./refusal-floods.ts";

/** Keeps the record of who did what. */
export interface AuditLog {
  /**
   * Adds an entry within a tenth of a second; nobody waits. For what is read and what is refused, of which the same
   * caller's are only counted when they are many.
   */
  note(entry: AuditEntry): void;
  /** Adds an entry. Resolves when it is durable. For what was changed. */
  record(entry: AuditEntry): Promise<void>;
  /** Writes what is waiting, and how many refusals were counted. */
  flush(): Promise<void>;
}

const waitMs = 100;
/** While the disk is full, the oldest are given up, and counted. */
const mostWaiting = 20_000;

/** @param failed told when entries could not be written; they are tried again with the next */
export function createAuditLog(audit: AuditMetadata, failed: (error: unknown) => void): AuditLog {
  const floods = createRefusalFloods();
  let waiting: AuditEntry[] = [];
  let lost = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let writing: Promise<void> = Promise.resolve();

  const write = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    for (const summary of floods.summaries(false)) add(summary);
    if (waiting.length === 0) return;
    const entries = waiting;
    waiting = [];
    try {
      await audit.append(entries, chainHash);
    } catch (error) {
      waiting = [...entries, ...waiting];
      throw error;
    }
  };
  /** One after the other, so that entries stand in the order in which they came. */
  const flush = (): Promise<void> => {
    const turn = writing.then(write, write);
    writing = turn.catch(() => {}); // who waits for the turn has the error
    return turn;
  };
  const add = (entry: AuditEntry): void => {
    waiting.push(entry);
    if (waiting.length <= mostWaiting) return;
    lost += waiting.length - mostWaiting;
    waiting = waiting.slice(-mostWaiting);
    failed(new Error(`${lost} entries of the record could not be written and are lost`));
  };

  return {
    note(entry) {
      if (entry.outcome === "done" || floods.admits(entry)) add(entry);
      timer ??= setTimeout(() => flush().catch(failed), waitMs);
    },
    record(entry) {
      add(entry);
      return flush();
    },
    flush() {
      for (const summary of floods.summaries(true)) add(summary);
      return flush();
    },
  };
}
