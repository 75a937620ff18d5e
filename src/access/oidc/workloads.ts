import { decodeJwt, type JWTPayload } from "jose";
import { RegistryError } from "../../oci/errors.ts";
import type { RepositoryPattern } from "../../oci/repository-patterns.ts";
import type { AccessMetadata, AccountRow } from "../../store/metadata/access.ts";
import { allAccounts } from "../accounts.ts";
import type { Role } from "../roles.ts";
import { makeCredentialId, makeSecret, secretHash } from "../secrets.ts";
import type { IssuerKeys } from "./issuers.ts";

/** Build jobs that are let in: those whose token has these claims. */
export interface WorkloadRule {
  /** The account that they act as. */
  readonly name: string;
  readonly issuer: string;
  /** What the token has to be for. */
  readonly audience: string;
  /** By claim, what it has to be: `*` stands for characters but `/` and `:`, `**` for any. */
  readonly claims: Readonly<Record<string, string>>;
  readonly grants: readonly { readonly role: Role; readonly repositories: RepositoryPattern }[];
  /** How long a job may go on with what it got. */
  readonly lifetimeMs: number;
}

/** What a job gets for its token. */
export interface WorkloadToken {
  readonly rule: WorkloadRule;
  readonly account: AccountRow;
  /** Used as a password or bearer token. */
  readonly secret: string;
  readonly id: string;
  readonly expiresAt: number;
  /** The job, as its issuer calls it. */
  readonly subject: string;
}

/** The first rule whose issuer, audience and claims are those of a verified token. */
export function findWorkloadRule(
  rules: readonly WorkloadRule[],
  payload: JWTPayload,
): WorkloadRule | undefined {
  const audiences = [payload.aud ?? []].flat();
  return rules.find(
    (rule) =>
      rule.issuer === payload.iss &&
      audiences.includes(rule.audience) &&
      Object.entries(rule.claims).every(([name, wanted]) => claimMatches(wanted, payload[name])),
  );
}

function claimMatches(wanted: string, claim: unknown): boolean {
  if (typeof claim === "number" || typeof claim === "boolean") return String(claim) === wanted;
  return typeof claim === "string" && claimPattern(wanted).test(claim);
}

function claimPattern(wanted: string): RegExp {
  const parts = wanted
    .split(/(\*\*|\*)/)
    .map((part) =>
      part === "**" ? "[\\s\\S]*" : part === "*" ? "[^/:]*" : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"),
    );
  return new RegExp(`^${parts.join("")}$`);
}

/** Lets in build jobs by the tokens that GitHub, GitLab and others give them. */
export interface Workloads {
  /** Makes the accounts of the rules, and removes those of rules that are gone. */
  prepare(): Promise<void>;
  /**
   * Exchanges a job's token. Each is taken once.
   * @throws RegistryError UNAUTHORIZED; DENIED when no rule lets it in; UNAVAILABLE
   */
  exchange(token: string): Promise<WorkloadToken>;
}

export interface WorkloadsOptions {
  readonly rules: readonly WorkloadRule[];
  readonly access: AccessMetadata;
  readonly issuers: IssuerKeys;
  readonly now?: () => number;
}

/** The source of the accounts that rules make. */
export const workloadSource = "workload rule";

export function createWorkloads({ rules, access, issuers, now = Date.now }: WorkloadsOptions): Workloads {
  return {
    prepare: () => prepareAccounts(rules, access),
    async exchange(token) {
      const payload = await verify(token, rules, issuers);
      const rule = findWorkloadRule(rules, payload);
      const subject = String(payload.sub);
      if (!rule) throw new RegistryError("DENIED", `no rule lets in the workload ${subject}`);
      const account = await access.findAccount(rule.name);
      if (!account || account.disabled || account.source !== workloadSource)
        throw new RegistryError("DENIED", `the account ${rule.name} of the rule is not there or is disabled`);
      const isFirst = await access.useOnce(
        secretHash(signedPart(token)),
        ((payload.exp ?? 0) + 60) * 1000,
        now(),
      );
      if (!isFirst) throw new RegistryError("UNAUTHORIZED", "the token is not valid: it was used before");
      const secret = makeSecret("workload");
      const id = makeCredentialId();
      const expiresAt = now() + rule.lifetimeMs;
      await access.createCredential({
        ...{ id, expiresAt, accountId: account.id },
        kind: "token",
        name: subject,
        hash: secretHash(secret),
      });
      return { rule, account, secret, id, expiresAt, subject };
    },
  };
}

/** Without the signature, of which there may be several that are right. */
function signedPart(token: string): string {
  return token.slice(0, token.lastIndexOf("."));
}

/** Looks at who claims to have signed it only to know whose keys to ask for. */
async function verify(
  token: string,
  rules: readonly WorkloadRule[],
  issuers: IssuerKeys,
): Promise<JWTPayload> {
  let claimed: JWTPayload;
  try {
    claimed = decodeJwt(token);
  } catch (cause) {
    throw new RegistryError("UNAUTHORIZED", "the token is not valid: it is no JWT", { cause });
  }
  const audiences = [claimed.aud ?? []].flat();
  const candidate =
    rules.find(({ issuer, audience }) => issuer === claimed.iss && audiences.includes(audience)) ??
    rules.find(({ issuer }) => issuer === claimed.iss);
  if (!candidate)
    throw new RegistryError("UNAUTHORIZED", "the token is not valid: no rule is for its issuer");
  return issuers.verify(token, candidate);
}

async function prepareAccounts(rules: readonly WorkloadRule[], access: AccessMetadata): Promise<void> {
  for (const { name, grants } of rules) {
    const account = await access.findAccount(name);
    if (!account) await access.createAccount({ name, kind: "workload", source: workloadSource });
    else if (account.source !== workloadSource) {
      throw new RegistryError(
        "CONFLICT",
        `the workload rule ${name} has the name of another account: give it another`,
      );
    }
    const subject = { kind: "account", name } as const;
    const present = await access.grantsFor(name, []);
    for (const grant of grants) await access.addGrant({ subject, ...grant });
    for (const { subject: holder, role, repositories } of present) {
      const isWanted = grants.some((grant) => grant.role === role && grant.repositories === repositories);
      if (holder.kind === "account" && !isWanted) await access.removeGrant({ subject, role, repositories });
    }
  }
  for (const { name, source } of await allAccounts(access)) {
    if (source === workloadSource && !rules.some((rule) => rule.name === name))
      await access.deleteAccount(name);
  }
}
