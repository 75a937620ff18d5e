import { createIssuerKeys, type IssuerKeys } from "../../access/oidc/issuers.ts";
import { createPeopleLogin, type OidcSettings, type PeopleLogin } from "../../access/oidc/oidc.ts";
import { createWorkloads, type Workloads } from "../../access/oidc/workloads.ts";
import type { AccessMetadata } from "../../store/metadata/access.ts";
import type { Settings } from "../settings/settings.ts";
import { readSecretFile } from "./first-administrator.ts";

/** Who else vouches for callers. */
export interface Providers {
  readonly people: PeopleLogin | undefined;
  readonly workloads: Workloads | undefined;
}

/** Makes what the settings ask for. @throws SettingsError when the client's secret cannot be read */
export function createProviders(settings: Settings, access: AccessMetadata): Providers {
  const issuers = createIssuerKeys();
  return {
    people: peopleLoginOf(settings, access, issuers),
    workloads: workloadsOf(settings, access, issuers),
  };
}

function peopleLoginOf(
  settings: Settings,
  access: AccessMetadata,
  issuers: IssuerKeys,
): PeopleLogin | undefined {
  const { oidc } = settings.access;
  if (!oidc) return undefined;
  const secretFile = oidc["client-secret-file"];
  const read: OidcSettings = {
    issuer: oidc.issuer,
    clientId: oidc["client-id"],
    clientSecret:
      secretFile === undefined ? undefined : readSecretFile("access.oidc.client-secret-file", secretFile),
    scopes: oidc.scopes,
    usernameClaim: oidc["username-claim"],
    groupsClaim: oidc["groups-claim"],
    sessionMs: oidc.session,
  };
  return createPeopleLogin(access, read, issuers);
}

function workloadsOf(settings: Settings, access: AccessMetadata, issuers: IssuerKeys): Workloads | undefined {
  const rules = settings.access.workloads.map(({ lifetime, ...rule }) => ({ ...rule, lifetimeMs: lifetime }));
  return rules.length === 0 ? undefined : createWorkloads({ rules, access, issuers });
}
