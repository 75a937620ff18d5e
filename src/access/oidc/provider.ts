import type { JWTPayload } from "jose";
import * as oidc from "openid-client";
import type { DeviceLogin } from "../../client/provider-login.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { IssuerKeys } from "./issuers.ts";

/** Where people of an organization log in. */
export interface ProviderSettings {
  readonly issuer: string;
  readonly clientId: string;
  /** Absent for a public client. */
  readonly clientSecret?: string | undefined;
  /** Beside `openid`. */
  readonly scopes: readonly string[];
}

/** A login by browser that was begun: to be kept where only that browser can give it back. */
export interface StartedLogin {
  readonly state: string;
  readonly nonce: string;
  /** PKCE: proves that who ends the login began it. https://www.rfc-editor.org/rfc/rfc7636 */
  readonly verifier: string;
}

/** An OpenID Connect provider. Its methods reject with UNAUTHORIZED, DENIED or UNAVAILABLE. */
export interface Provider {
  /** Where to send the browser, and what to keep. */
  begin(redirectUri: string): Promise<{ readonly url: URL; readonly login: StartedLogin }>;
  /** What the provider says of who came back to `url`. */
  finish(url: URL, login: StartedLogin): Promise<JWTPayload>;
  beginDevice(): Promise<DeviceLogin>;
  /** What it says of who logged in with a device code; the word of RFC 8628 section 3.5 while nobody has. */
  pollDevice(deviceCode: string): Promise<JWTPayload | "authorization_pending" | "slow_down">;
}

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code";
const timeoutS = 10;

/** Discovers the provider when it is first needed. */
export function createProvider(settings: ProviderSettings, issuers: IssuerKeys): Provider {
  const { issuer, clientId, clientSecret } = settings;
  const scope = ["openid", ...settings.scopes.filter((name) => name !== "openid")].join(" ");
  const isLocal = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])[:/]/.test(issuer);
  let discovered: Promise<oidc.Configuration> | undefined;

  const configuration = async (): Promise<oidc.Configuration> => {
    discovered ??= oidc.discovery(
      new URL(issuer),
      clientId,
      clientSecret,
      clientSecret === undefined ? oidc.None() : undefined,
      { timeout: timeoutS, ...(isLocal ? { execute: [oidc.allowInsecureRequests] } : {}) },
    );
    try {
      return await discovered;
    } catch (error) {
      discovered = undefined; // the next login tries again
      throw error;
    }
  };
  const claimsOf = async (idToken: string | undefined): Promise<JWTPayload> => {
    if (idToken === undefined) throw new RegistryError("UNAVAILABLE", `${issuer} gave no ID token`);
    return issuers.verify(idToken, { issuer, audience: clientId });
  };
  const ask = async <T>(action: (found: oidc.Configuration) => Promise<T>): Promise<T> => {
    try {
      return await action(await configuration());
    } catch (error) {
      throw asRegistryError(error, issuer);
    }
  };

  return {
    begin: (redirectUri) =>
      ask(async (found) => {
        const login = {
          state: oidc.randomState(),
          nonce: oidc.randomNonce(),
          verifier: oidc.randomPKCECodeVerifier(),
        };
        const url = oidc.buildAuthorizationUrl(found, {
          redirect_uri: redirectUri,
          scope,
          state: login.state,
          nonce: login.nonce,
          code_challenge: await oidc.calculatePKCECodeChallenge(login.verifier),
          code_challenge_method: "S256",
        });
        return { url, login };
      }),
    finish: (url, { state, nonce, verifier }) =>
      ask(async (found) => {
        const tokens = await oidc.authorizationCodeGrant(found, url, {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
        });
        return claimsOf(tokens.id_token);
      }),
    beginDevice: () =>
      ask(async (found) => {
        const begun = await oidc.initiateDeviceAuthorization(found, { scope });
        return {
          deviceCode: begun.device_code,
          userCode: begun.user_code,
          verificationUri: begun.verification_uri,
          expiresIn: begun.expires_in,
          interval: begun.interval ?? 5,
          ...(begun.verification_uri_complete && {
            verificationUriComplete: begun.verification_uri_complete,
          }),
        };
      }),
    pollDevice: (deviceCode) =>
      ask(async (found) => {
        try {
          const tokens = await oidc.genericGrantRequest(found, deviceGrant, { device_code: deviceCode });
          return await claimsOf(tokens.id_token);
        } catch (error) {
          if (!(error instanceof oidc.ResponseBodyError)) throw error;
          if (error.error === "authorization_pending" || error.error === "slow_down") return error.error;
          throw error;
        }
      }),
  };
}

/** The provider's own words are for its clients; what is passed on is its error code. */
function asRegistryError(error: unknown, issuer: string): unknown {
  if (error instanceof RegistryError) return error;
  if (error instanceof oidc.ResponseBodyError || error instanceof oidc.AuthorizationResponseError) {
    return new RegistryError("UNAUTHORIZED", `${issuer} did not log you in: ${error.error}`, {
      cause: error,
    });
  }
  const isRefusal = error instanceof oidc.ClientError && error.code?.startsWith("OAUTH_");
  const reason = error instanceof Error ? error.message : String(error);
  return new RegistryError(
    isRefusal ? "UNAUTHORIZED" : "UNAVAILABLE",
    `cannot log in with ${issuer}: ${reason}`,
    { cause: error },
  );
}
