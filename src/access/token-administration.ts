import { RegistryError } from "../oci/errors.ts";
import type { AccountRow, CredentialRow } from "../store/metadata/access.ts";
import { formatLimits } from "./accounts.ts";
import { type AdministrationOptions, findOwn } from "./administration.ts";
import { type Asker, entryFor } from "./asker.ts";
import type { Limit } from "./permissions.ts";
import { makeCredentialId, makeSecret, secretHash } from "./secrets.ts";

/** A token to make. */
export interface TokenRequest {
  /** What it is for, such as the machine that uses it. */
  readonly name: string;
  /** What it is good for at most; all that its owner may if absent. */
  readonly limits?: readonly Limit[] | undefined;
  readonly expiresAt?: Date | undefined;
}

/** A new token, with its secret: the only time that it can be seen. */
export interface MadeToken {
  readonly id: string;
  readonly secret: string;
}

/** Makes and revokes tokens: one's own, and an administrator anybody's. */
export function createTokenAdministration(
  { access, record, changed }: Pick<AdministrationOptions, "access" | "record" | "changed">,
  find: (name: string) => Promise<AccountRow>,
) {
  return {
    async list(asker: Asker, owner: string): Promise<readonly CredentialRow[]> {
      const account = await findOwn(asker, owner, "list its tokens", find);
      return access.listTokens(account.id);
    },

    async create(asker: Asker, owner: string, request: TokenRequest): Promise<MadeToken> {
      const { name, limits, expiresAt } = request;
      const account = await findOwn(asker, owner, "make a token", find);
      if (expiresAt && expiresAt.getTime() <= Date.now())
        throw new RegistryError("REQUEST_INVALID", "the token would have expired already");
      const secret = makeSecret(account.kind);
      const id = makeCredentialId();
      await access.createCredential({
        id,
        accountId: account.id,
        kind: "token",
        name,
        hash: secretHash(secret),
        ...(limits ? { limits: formatLimits(limits) } : {}),
        ...(expiresAt ? { expiresAt: expiresAt.getTime() } : {}),
      });
      await record(entryFor(asker, "token.create", `${owner} ${id}`, describe(request)));
      return { id, secret };
    },

    async revoke(asker: Asker, owner: string, id: string): Promise<undefined> {
      const account = await findOwn(asker, owner, "revoke its tokens", find);
      if (!(await access.revokeCredential(account.id, id)))
        throw new RegistryError("ACCOUNT_UNKNOWN", `${owner} has no token ${id}`);
      changed();
      await record(entryFor(asker, "token.revoke", `${owner} ${id}`));
    },
  };
}

export type TokenAdministration = ReturnType<typeof createTokenAdministration>;

function describe({ name, limits, expiresAt }: TokenRequest): string {
  const scope = limits
    ?.map(({ actions, repositories }) => `${actions.join(",")} on ${repositories}`)
    .join("; ");
  const end = expiresAt ? `, until ${expiresAt.toISOString()}` : "";
  return `${name}: ${scope ?? "all that its owner may"}${end}`;
}
