import type { Eventually } from "./eventually.ts";

/** Something that was done or refused. Holds no secret. */
export interface AuditEntry {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** An account's name, or `anonymous`. */
  readonly actor: string;
  /** Which credential, never its secret: `none`, `password`, `token abc`. */
  readonly credential: string;
  /** Where the request came from. */
  readonly address: string;
  /** Such as `push`, `pull`, `delete`, `login`, `account.create`. */
  readonly action: string;
  readonly outcome: "done" | "refused";
  readonly repository?: string;
  /** The tag, or the account, grant or token, that it was about. */
  readonly subject?: string;
  readonly digest?: string;
  /** Why it was refused, or what changed. */
  readonly detail?: string;
}

/** An entry in its place in the chain. */
export interface AuditRecord extends AuditEntry {
  /** One more than the entry before, without gaps. */
  readonly id: number;
  /** SHA-256 in hexadecimal over the hash before and this entry, as `chainHash` of access/audit-chain.ts makes it. */
  readonly hash: string;
}

/** Which entries are asked for; all that is given has to fit. */
export interface AuditFilter {
  readonly actor?: string;
  readonly action?: string;
  /** This repository alone. */
  readonly repository?: string;
  readonly outcome?: AuditEntry["outcome"];
  /** Inclusive, in milliseconds since 1970. */
  readonly since?: number;
  /** Exclusive. */
  readonly until?: number;
}

/** The record of what was done. Entries are added and, when they are old, removed from the beginning; never changed. */
export interface AuditMetadata {
  /** Adds entries at the end, as one transaction. Durable when it resolves. */
  append(entries: readonly AuditEntry[], hash: ChainHash): Promise<void>;
  /** Entries that fit, newest first, with ids below `before`. */
  list(filter: AuditFilter, before: number | undefined, limit: number): Eventually<readonly AuditRecord[]>;
  /** Entries from an id on, oldest first: the chain as it is. */
  read(from: number, limit: number): Eventually<readonly AuditRecord[]>;
  /** The hash that the first entry builds on: empty, or that of the last one that was removed. */
  anchor(): Eventually<string>;
  /** Removes entries from before a time. Resolves to how many. */
  removeBefore(time: number): Promise<number>;
}

/** Makes the hash of an entry from the one before. */
export type ChainHash = (previous: string, entry: AuditEntry & { readonly id: number }) => string;
