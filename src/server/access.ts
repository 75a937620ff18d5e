import { createAttemptLimiter } from "../access/attempts.ts";
import { createAuthenticator } from "../access/authenticator.ts";
import { createLogins } from "../access/logins.ts";
import { createPasswordChecker } from "../access/passwords.ts";
import { createTokenSigner } from "../access/signing.ts";
import { createTokenService } from "../access/token-service.ts";
import { everyRepository } from "../oci/repository-patterns.ts";
import type { Registry } from "../registry/registry.ts";
import type { AccessMetadata } from "../store/metadata/access.ts";
import { createAccountsGate } from "./accounts-gate.ts";
import type { Gate } from "./gate.ts";
import type { Pages } from "./handler.ts";
import type { Log } from "./log.ts";
import type { Settings } from "./settings.ts";
import { createTokenEndpoint } from "./token-endpoint.ts";
import { serviceName, tokenPath } from "./token-realm.ts";

/** Accounts at work. */
export interface Access {
  readonly gate: Gate;
  readonly pages: Pages;
  /** Writes down what is kept in memory, and stops. */
  close(): Promise<void>;
}

export interface AccessOptions {
  readonly registry: Registry;
  readonly access: AccessMetadata;
  readonly settings: Settings;
  /** Everybody may pull everything. */
  readonly publicPull: boolean;
  readonly log: Log;
}

/** How often it is written down when tokens were last used. */
const flushMs = 30_000;
/** How often expired tokens are removed. */
const expireMs = 60 * 60_000;

/** Puts together what a registry with accounts needs. */
export function composeAccess(options: AccessOptions): Access {
  const { registry, settings, log } = options;
  const access = options.publicPull ? withPublicPull(options.access) : options.access;
  const publicUrl = settings["public-url"];
  const signer = createTokenSigner({ keys: access, audience: serviceName(publicUrl) });
  const logins = createLogins({
    access,
    attempts: createAttemptLimiter(),
    passwords: createPasswordChecker(),
  });
  const authenticator = createAuthenticator({ access, logins, signer });
  const repeatedly = (action: () => Promise<void>, ms: number) =>
    setInterval(() => {
      action().catch((error) => log.error({ err: error }, "could not write down the use of tokens"));
    }, ms);
  const timers = [
    repeatedly(authenticator.flush, flushMs),
    repeatedly(() => access.removeExpiredCredentials(Date.now()), expireMs),
  ];
  return {
    gate: createAccountsGate({ registry, authenticator, publicUrl }),
    pages: { [tokenPath]: createTokenEndpoint({ logins, issue: createTokenService(access, signer) }) },
    async close() {
      for (const timer of timers) clearInterval(timer);
      await authenticator.flush();
    },
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
