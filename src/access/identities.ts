import type { Scope } from "../oci/scopes.ts";
import type { Permissions } from "./permissions.ts";

/** Who asks. */
export type Identity =
  | { readonly kind: "anonymous" }
  | {
      readonly kind: "person" | "robot" | "workload";
      readonly name: string;
      readonly groups?: readonly string[];
    };

/** Somebody who asks, by the credential that they came with. */
export interface Caller {
  readonly identity: Identity;
  readonly permissions: Permissions;
  /** Which credential, for the record: `none`, `password`, `token abc`, `login abc`; never the secret. */
  readonly credential: string;
  /** What a short-lived token was made for; everything that is permitted if absent. */
  readonly scopes?: readonly Scope[];
}

/** What the record calls somebody: an account's name, or `anonymous`. */
export function actorOf(identity: Identity): string {
  return identity.kind === "anonymous" ? "anonymous" : identity.name;
}

const nameShape = /^[a-z0-9](?:[a-z0-9._@+-]{0,62}[a-z0-9])?$/;
const reserved = ["anonymous", "public"];

/** Whether an account may be called so: what stands in a user name field, a log and a shell without quoting. */
export function isAccountName(text: string): boolean {
  return nameShape.test(text) && !reserved.includes(text);
}
