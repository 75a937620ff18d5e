import type { Page } from "../../registry/registry.ts";
import type { Eventually, KeysetPage } from "./eventually.ts";

/** A person or a robot, as the metadata hold it. */
export interface AccountRow {
  /** Never used again, also when the account is gone. */
  readonly id: number;
  readonly name: string;
  readonly kind: "person" | "robot" | "workload";
  /** Who says that it exists: Berth itself, a file of passwords, or a provider's address. */
  readonly source: string;
  /** How the source knows it; a provider's subject. */
  readonly subject?: string;
  /** The hash of its password, as argon2 or bcrypt write it; none for robots and for people of a provider. */
  readonly password?: string;
  /** Grows when its password changes or it is disabled: what was proved before counts no more. */
  readonly epoch: number;
  readonly disabled: boolean;
  readonly groups: readonly string[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** What a new account is made of. */
export type NewAccount = Pick<AccountRow, "name" | "kind" | "source" | "subject" | "password"> & {
  readonly groups?: readonly string[];
};

/** What of an account can change; what is absent stays. */
export interface AccountChange {
  readonly password?: string;
  readonly disabled?: boolean;
  readonly groups?: readonly string[];
}

/** Who holds a grant; `public` is everybody, also those who did not say who they are. */
export type GrantSubject =
  | { readonly kind: "account" | "group"; readonly name: string }
  | { readonly kind: "public" };

/** A role given to somebody on a pattern of repositories; the words are checked by whoever writes them. */
export interface GrantRow {
  readonly subject: GrantSubject;
  readonly role: string;
  readonly repositories: string;
  readonly createdAt: number;
}

/** A secret of which only the SHA-256 is stored: a token that a person made, or what a client logs in again with. */
export interface CredentialRow {
  /** For lists and records; says nothing of the secret. */
  readonly id: string;
  readonly accountId: number;
  readonly kind: "token" | "refresh";
  readonly name: string;
  /** What it is good for at most, as JSON; everything its owner may if absent. */
  readonly limits?: string;
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly lastUsedAt?: number;
}

/** A credential to store. */
export type NewCredential = Omit<CredentialRow, "createdAt" | "lastUsedAt"> & {
  /** SHA-256 of the secret. */
  readonly hash: Uint8Array;
};

/** A key that signs short-lived tokens. */
export interface SigningKeyRow {
  readonly id: string;
  /** The private key as JSON (JWK). */
  readonly jwk: string;
  readonly createdAt: number;
}

/**
 * Accounts, what they may do, and their credentials. As in `Metadata`, each method that writes is one transaction and
 * durable when it resolves. What changes what anybody may do raises `version` in the same transaction.
 */
export interface AccessMetadata {
  /** Cheap: asked several times a second. Any number that was not there before means that rights may have changed. */
  version(): Eventually<number>;

  findAccount(name: string): Eventually<AccountRow | undefined>;
  getAccount(id: number): Eventually<AccountRow | undefined>;
  /** An account by how its source knows it. */
  findAccountOf(source: string, subject: string): Eventually<AccountRow | undefined>;
  listAccounts(page: KeysetPage): Eventually<Page<AccountRow>>;
  /** Whether there is any account. */
  hasAccounts(): Eventually<boolean>;
  /** Resolves to the account; `undefined` when the name is taken. */
  createAccount(account: NewAccount): Promise<AccountRow | undefined>;
  /** Resolves to whether there is such an account. */
  changeAccount(name: string, change: AccountChange): Promise<boolean>;
  /** Removes an account with its grants and credentials. Resolves to whether it was there. */
  deleteAccount(name: string): Promise<boolean>;

  /** The grants of an account of this name, of these groups, and of the public. */
  grantsFor(account: string | undefined, groups: readonly string[]): Eventually<readonly GrantRow[]>;
  /** Every grant, ordered by subject. At most `limit`. */
  listGrants(limit: number): Eventually<readonly GrantRow[]>;
  /** Resolves to whether it was not there before. */
  addGrant(grant: Omit<GrantRow, "createdAt">): Promise<boolean>;
  /** Resolves to whether it was there. */
  removeGrant(grant: Omit<GrantRow, "createdAt">): Promise<boolean>;

  /** A credential that is neither revoked nor expired. */
  findCredential(hash: Uint8Array, now: number): Eventually<CredentialRow | undefined>;
  getCredential(id: string, now: number): Eventually<CredentialRow | undefined>;
  /** An account's tokens, also expired ones, the newest first; those that clients got for themselves are left out. */
  listTokens(accountId: number): Eventually<readonly CredentialRow[]>;
  createCredential(credential: NewCredential): Promise<void>;
  /** Resolves to whether the account had it. */
  revokeCredential(accountId: number, id: string): Promise<boolean>;
  /** Notes when credentials were last used; does not raise the version. */
  touchCredentials(uses: ReadonlyMap<string, number>): Promise<void>;
  /** Resolves to whether this was not used before; remembers it until `until`, in milliseconds since 1970. */
  useOnce(hash: Uint8Array, until: number, now: number): Promise<boolean>;
  /** Removes what expired before `now`. */
  removeExpiredCredentials(now: number): Promise<void>;

  /** The newest first. */
  signingKeys(): Eventually<readonly SigningKeyRow[]>;
  /** Adds a key unless one was made since `newerThan`, and removes those from before `obsolete`. */
  addSigningKey(key: SigningKeyRow, newerThan: number, obsolete: number): Promise<void>;
}
