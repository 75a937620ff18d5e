import { credentialName } from "../../access/accounts.ts";
import { type AccountAdministration, createAccountAdministration } from "../../access/administration.ts";
import { createAttemptLimiter } from "../../access/attempts.ts";
import { createAuditLog } from "../../access/audit.ts";
import { type Authenticator, createAuthenticator } from "../../access/authenticator.ts";
import { createGrantAdministration, type GrantAdministration } from "../../access/grant-administration.ts";
import { createLogins } from "../../access/logins.ts";
import type { Workloads } from "../../access/oidc/workloads.ts";
import { createPasswordChecker } from "../../access/passwords.ts";
import { createRequestLimits } from "../../access/request-limits.ts";
import { createTokenSigner } from "../../access/signing.ts";
import { createTokenAdministration, type TokenAdministration } from "../../access/token-administration.ts";
import { createTokenService } from "../../access/token-service.ts";
import { everyRepository } from "../../oci/repository-patterns.ts";
import type { Registry } from "../../registry/registry.ts";
import type { AccessMetadata, AccountRow } from "../../store/metadata/access.ts";
import type { AuditEntry, AuditMetadata } from "../../store/metadata/audit.ts";
import type { Metadata } from "../../store/metadata/metadata.ts";
import type { Pages } from "../handler.ts";
import type { Log } from "../log.ts";
import type { Forwarding } from "../network/forwarding.ts";
import type { Settings } from "../settings/settings.ts";
import { createAccountsGate } from "./accounts-gate.ts";
import type { Gate } from "./gate.ts";
import { createLoginPages } from "./login-pages.ts";
import { watchPasswordFile } from "./password-file.ts";
import type { Providers } from "./providers.ts";
import { createTokenEndpoint, type LoginRecorder } from "./token-endpoint.ts";
import { serviceName, tokenPath } from "./token-realm.ts";

/** Accounts at work. */
export interface Access {
  readonly gate: Gate;
  readonly pages: Pages;
  readonly administration: Administration;
  /** Writes down what is kept in memory, and stops. */
  close(): Promise<void>;
}

export interface AccessOptions {
  readonly registry: Registry;
  readonly metadata: Pick<Metadata, "access" | "audit">;
  readonly settings: Settings;
  readonly forwarding: Forwarding;
  /** Everybody may pull everything. */
  readonly publicPull: boolean;
  /** Whether this process does what is to be done once. */
  readonly isFirst: boolean;
  /** How many worker processes share what the settings limit. */
  readonly processes: number;
  readonly log: Log;
}

/** What the management API does with accounts. */
export interface Administration {
  readonly accounts: AccountAdministration;
  readonly grants: GrantAdministration;
  readonly tokens: TokenAdministration;
  readonly audit: AuditMetadata;
}

/** How often it is written down when tokens were last used. */
const flushMs = 30_000;
/** How often expired tokens and old entries of the record are removed. */
const expireMs = 60 * 60_000;
const dayMs = 24 * 60 * 60_000;

/** Puts together what a registry with accounts needs. @throws SettingsError */
export async function composeAccess(options: AccessOptions): Promise<Access> {
  const { registry, settings, log, metadata } = options;
  const access = options.publicPull ? withPublicPull(metadata.access) : metadata.access;
  const { addressOf } = options.forwarding;
  const service = serviceName(settings["public-url"]);
  const signer = createTokenSigner({ keys: access, audience: service });
  const auditLog = createAuditLog(metadata.audit, (error) =>
    log.error({ err: error }, "could not write the record"),
  );
  const logins = createLogins({
    access,
    attempts: createAttemptLimiter(),
    passwords: createPasswordChecker(),
    failed: (account, address, detail) => auditLog.note(failedLogin(account, address, detail)),
  });
  const authenticator = createAuthenticator({
    ...{ access, logins, signer },
    loggedIn: ({ account, credential }, address) =>
      auditLog.note(login(account, address, credentialName(credential))),
  });
  const changing = { access, record: auditLog.record, changed: authenticator.recheck, logins };
  const accounts = createAccountAdministration(changing);
  const { people, workloads } = await openProviders(settings, access);
  const loggedIn: LoginRecorder = (account, request, connection, credential, detail) =>
    auditLog.note(login(account, addressOf(request, connection), credential, detail));
  const upkeep = await startUpkeep(options, access, authenticator, workloads);
  const limits = settings.limits.length > 0 && { limits: limitsOf(settings, options.processes) };
  return {
    gate: createAccountsGate({
      ...{ registry, authenticator, service, auditLog, forwarding: options.forwarding, ...limits },
    }),
    administration: {
      accounts,
      grants: createGrantAdministration(changing),
      tokens: createTokenAdministration(changing, accounts.find),
      audit: metadata.audit,
    },
    pages: {
      [tokenPath]: createTokenEndpoint({
        ...{ logins, people, workloads, loggedIn, addressOf },
        issue: createTokenService(access, signer),
      }),
      ...(people && createLoginPages({ people, access, loggedIn, ...options.forwarding })),
    },
    async close() {
      upkeep.close();
      await authenticator.flush();
      await auditLog.flush();
    },
  };
}

/** Does what is due from time to time, and once at the start. @throws SettingsError */
async function startUpkeep(
  { settings, log, metadata: { audit }, isFirst }: AccessOptions,
  access: AccessMetadata,
  authenticator: Authenticator,
  workloads: Workloads | undefined,
): Promise<{ close(): void }> {
  const repeatedly = (action: () => Promise<unknown>, ms: number) =>
    setInterval(() => {
      action().catch((error) => log.error({ err: error }, "could not keep accounts in order"));
    }, ms);
  const timers = [repeatedly(authenticator.flush, flushMs)];
  const close = () => {
    for (const timer of timers) clearInterval(timer);
  };
  if (!isFirst) return { close };
  await workloads?.prepare();
  const { htpasswd } = settings.access;
  const passwordFile =
    htpasswd === undefined
      ? undefined
      : await watchPasswordFile(htpasswd, access, authenticator.recheck, log);
  const retainDays = settings.audit["retain-days"];
  const expire = async () => {
    await access.removeExpiredCredentials(Date.now());
    if (retainDays !== undefined) await audit.removeBefore(Date.now() - retainDays * dayMs);
  };
  await expire();
  timers.push(repeatedly(expire, expireMs));
  return {
    close() {
      close();
      passwordFile?.close();
    },
  };
}

function limitsOf({ limits }: Settings, processes: number) {
  const read = limits.map(({ who, ...limit }) => ({
    who,
    pullsPerMinute: limit["pulls-per-minute"],
    pushesPerMinute: limit["pushes-per-minute"],
    openUploads: limit["open-uploads"],
    bytesPerHour: limit["bytes-per-hour"],
  }));
  return createRequestLimits(read, processes);
}

/** What speaks OpenID Connect is loaded where the settings ask for it. */
async function openProviders(settings: Settings, access: AccessMetadata): Promise<Providers> {
  const { oidc, workloads } = settings.access;
  if (!oidc && workloads.length === 0) return { people: undefined, workloads: undefined };
  const { createProviders } = await import("./providers.ts");
  return createProviders(settings, access);
}

function login(account: AccountRow, address: string, credential: string, detail?: string): AuditEntry {
  return {
    at: Date.now(),
    actor: account.name,
    credential,
    address,
    action: "login",
    outcome: "done",
    ...(detail === undefined ? {} : { detail }),
  };
}

function failedLogin(account: string | undefined, address: string, detail: string): AuditEntry {
  return {
    at: Date.now(),
    actor: "anonymous",
    credential: "none",
    address,
    action: "login",
    outcome: "refused",
    detail,
    ...(account === undefined ? {} : { subject: account }),
  };
}

function withPublicPull(access: AccessMetadata): AccessMetadata {
  const everybody = {
    subject: { kind: "public" },
    role: "reader",
    repositories: everyRepository,
    createdAt: 0,
  } as const;
  return {
    ...access,
    grantsFor: async (account, groups) => [...(await access.grantsFor(account, groups)), everybody],
  };
}
