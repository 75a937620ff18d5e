import type { DeviceLogin } from "../../client/provider-login.ts";
import type { AccessMetadata, AccountRow } from "../../store/metadata/access.ts";
import { createIssuerKeys } from "./issuers.ts";
import { accountOfPerson } from "./people.ts";
import { createProvider, type StartedLogin } from "./provider.ts";

/** The provider at which people log in, as the settings say. */
export interface OidcSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret?: string | undefined;
  readonly scopes: readonly string[];
  readonly usernameClaim: string;
  readonly groupsClaim: string;
  /** How long a login lasts before the provider is asked again. */
  readonly sessionMs: number;
}

/** Logs people in whom a provider vouches for. */
export interface PeopleLogin {
  readonly sessionMs: number;
  begin(redirectUri: string): Promise<{ readonly url: URL; readonly login: StartedLogin }>;
  finish(url: URL, login: StartedLogin): Promise<AccountRow>;
  beginDevice(): Promise<DeviceLogin>;
  pollDevice(deviceCode: string): Promise<AccountRow | "authorization_pending" | "slow_down">;
}

export function createPeopleLogin(
  access: AccessMetadata,
  settings: OidcSettings,
  issuers = createIssuerKeys(),
): PeopleLogin {
  const provider = createProvider(settings, issuers);
  return {
    sessionMs: settings.sessionMs,
    begin: provider.begin,
    finish: async (url, login) => accountOfPerson(access, settings, await provider.finish(url, login)),
    beginDevice: provider.beginDevice,
    async pollDevice(deviceCode) {
      const found = await provider.pollDevice(deviceCode);
      return typeof found === "string" ? found : accountOfPerson(access, settings, found);
    },
  };
}
