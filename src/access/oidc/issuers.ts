import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import { quote, RegistryError } from "../../oci/errors.ts";

/** Verifies tokens of OpenID Connect issuers. */
export interface IssuerKeys {
  /**
   * Verifies a token's signature, issuer, audience and times.
   * @throws RegistryError UNAUTHORIZED, saying what is wrong; UNAVAILABLE when the issuer's keys cannot be had
   */
  verify(
    token: string,
    expected: { readonly issuer: string; readonly audience: string },
  ): Promise<JWTPayload>;
}

/** Never `none`, never a secret that both sides know. */
const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
const longestToken = 32 * 1024;
const clockToleranceS = 30;
const discoveryMs = 60 * 60_000;
const timeoutMs = 5000;

/** Finds the keys of issuers by discovery and keeps them. https://openid.net/specs/openid-connect-discovery-1_0.html */
export function createIssuerKeys(now: () => number = Date.now): IssuerKeys {
  const known = new Map<string, { readonly keys: JWTVerifyGetKey; readonly until: number }>();

  const keysOf = async (issuer: string): Promise<JWTVerifyGetKey> => {
    const found = known.get(issuer);
    if (found && found.until > now()) return found.keys;
    const keys = createRemoteJWKSet(await discoverKeys(issuer), { timeoutDuration: timeoutMs });
    known.set(issuer, { keys, until: now() + discoveryMs });
    return keys;
  };

  return {
    async verify(token, { issuer, audience }) {
      if (token.length > longestToken) throw new RegistryError("UNAUTHORIZED", "the token is too long");
      const keys = await keysOf(issuer);
      try {
        const { payload } = await jwtVerify(token, keys, {
          ...{ algorithms, issuer, audience, clockTolerance: clockToleranceS },
          currentDate: new Date(now()),
          requiredClaims: ["sub", "exp", "iat"],
        });
        return payload;
      } catch (error) {
        throw asRegistryError(error, issuer);
      }
    },
  };
}

async function discoverKeys(issuer: string): Promise<URL> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: "error" });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    const found = JSON.parse(text) as { issuer?: unknown; jwks_uri?: unknown }; // both are looked at next
    if (found.issuer !== issuer) throw new Error(`it calls itself ${quote(String(found.issuer))}`);
    return new URL(String(found.jwks_uri));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RegistryError("UNAVAILABLE", `cannot get the keys of ${issuer} from ${url}: ${reason}`, {
      cause,
    });
  }
}

function asRegistryError(error: unknown, issuer: string): unknown {
  if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)) {
    const reason = error instanceof Error ? error.message : String(error);
    return new RegistryError("UNAVAILABLE", `cannot get the keys of ${issuer}: ${reason}`, { cause: error });
  }
  const fault =
    error instanceof errors.JWTExpired
      ? "it has expired"
      : error instanceof errors.JWTClaimValidationFailed
        ? `its ${error.claim} is not what is expected here`
        : `it was not signed by ${issuer}`;
  return new RegistryError("UNAUTHORIZED", `the token is not valid: ${fault}`, { cause: error });
}
