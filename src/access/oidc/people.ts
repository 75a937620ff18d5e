import type { JWTPayload } from "jose";
import { RegistryError } from "../../oci/errors.ts";
import type { AccessMetadata, AccountRow } from "../../store/metadata/access.ts";
import { isAccountName } from "../identities.ts";

/** How a provider's claims become an account. */
export interface PersonClaims {
  readonly issuer: string;
  /** Names it, such as `preferred_username`; `email` is taken when it is absent or taken. */
  readonly usernameClaim: string;
  /** Lists its groups, such as `groups`. */
  readonly groupsClaim: string;
}

/**
 * The account of somebody whom a provider vouches for: made at the first login, its groups those of this one.
 * @throws RegistryError DENIED when it is disabled, or no name is free
 */
export async function accountOfPerson(
  access: AccessMetadata,
  { issuer, usernameClaim, groupsClaim }: PersonClaims,
  payload: JWTPayload,
): Promise<AccountRow> {
  const subject = String(payload.sub);
  const groups = groupsOf(payload[groupsClaim]);
  const known = await access.findAccountOf(issuer, subject);
  if (known?.disabled) throw new RegistryError("DENIED", `the account ${known.name} is disabled`);
  if (known) {
    if (known.groups.join("\n") === groups.join("\n")) return known;
    await access.changeAccount(known.name, { groups });
    return { ...known, groups };
  }
  const names = [payload[usernameClaim], payload.email].flatMap((claim) =>
    typeof claim === "string" && isAccountName(claim.toLowerCase()) ? [claim.toLowerCase()] : [],
  );
  for (const name of names) {
    const made = await access.createAccount({ name, kind: "person", source: issuer, subject, groups });
    if (made) return made;
  }
  const wanted = names[0];
  throw new RegistryError(
    "DENIED",
    wanted === undefined
      ? `the provider gives no name that an account can have: set the claim that has one (now ${usernameClaim})`
      : `the name ${wanted} is another account's: an administrator has to remove or rename one of them`,
  );
}

const mostGroups = 500;

function groupsOf(claim: unknown): readonly string[] {
  const given = Array.isArray(claim) ? claim : typeof claim === "string" ? [claim] : [];
  const names = given.filter((name): name is string => typeof name === "string" && name !== "");
  return [...new Set(names)].sort().slice(0, mostGroups);
}
