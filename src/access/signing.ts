import { randomUUID } from "node:crypto";
import {
  errors,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from "jose";
import { RegistryError } from "../oci/errors.ts";
import type { AccessMetadata, SigningKeyRow } from "../store/metadata/access.ts";

/** What a short-lived token says, beside its times. */
export interface TokenClaims {
  /** The account's name, for logs of others; empty for the anonymous. */
  readonly sub: string;
  /** The account's id and epoch, when it is one's. */
  readonly uid?: number;
  readonly epoch?: number;
  /** The credential it was made from, unless that was a password. */
  readonly cid?: string;
  /** What it allows at most. https://distribution.github.io/distribution/spec/auth/jwt/ */
  readonly access: readonly {
    readonly type: string;
    readonly name: string;
    readonly actions: readonly string[];
  }[];
}

/** Claims that were signed here, and when they end, in milliseconds since 1970. */
export interface VerifiedClaims extends TokenClaims {
  readonly expiresAt: number;
}

export interface TokenSigner {
  sign(claims: TokenClaims): Promise<string>;
  /** @throws RegistryError UNAUTHORIZED, saying what is wrong with it */
  verify(token: string): Promise<VerifiedClaims>;
}

/** How long a token lives, in seconds. */
export const tokenLifetimeS = 300;

const dayMs = 86_400_000;
/** A key signs for so long; it verifies for longer than the last token that it signed lives. */
const rotationMs = 30 * dayMs;
const longestToken = 16 * 1024;
/** Between machines whose clocks differ. */
const clockToleranceS = 10;
/** An unknown key is looked for at most so often. */
const reloadMs = 1000;
const algorithm = "EdDSA";
const issuer = "berth";

export interface SignerOptions {
  readonly keys: Pick<AccessMetadata, "signingKeys" | "addSigningKey">;
  /** The service's name, which a token is for. */
  readonly audience: string;
  readonly now?: () => number;
}

/** Signs and verifies with Ed25519 keys that all workers share, and makes a new one every 30 days. */
export function createTokenSigner({ keys, audience, now = Date.now }: SignerOptions): TokenSigner {
  let rows: readonly SigningKeyRow[] = [];
  let loadedAt = Number.NEGATIVE_INFINITY;
  const signingKeys = new Map<string, Imported>();
  const publicKeys = new Map<string, Imported>();

  const load = async (): Promise<void> => {
    loadedAt = now();
    rows = await keys.signingKeys();
  };
  const currentKey = async (): Promise<SigningKeyRow> => {
    const isCurrent = (row: SigningKeyRow | undefined) => row && now() - row.createdAt < rotationMs;
    if (!isCurrent(rows[0])) await load();
    if (!isCurrent(rows[0])) {
      const made = { id: randomUUID(), jwk: await makeKey(), createdAt: now() };
      await keys.addSigningKey(made, now() - rotationMs, now() - 2 * rotationMs);
      await load();
    }
    if (!rows[0]) throw new Error("a signing key was stored and is not there");
    return rows[0];
  };
  const verificationKey = async (id: string | undefined) => {
    let row = rows.find((item) => item.id === id);
    if (!row && now() - loadedAt > reloadMs) {
      await load();
      row = rows.find((item) => item.id === id);
    }
    if (!row) throw new errors.JOSEError("it was signed by somebody else");
    const { d: _private, ...publicPart } = JSON.parse(row.jwk);
    return importOnce(publicKeys, row.id, publicPart);
  };

  return {
    async sign(claims) {
      const row = await currentKey();
      return new SignJWT({ ...claims })
        .setProtectedHeader({ alg: algorithm, kid: row.id, typ: "JWT" })
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt(Math.floor(now() / 1000))
        .setNotBefore(Math.floor(now() / 1000))
        .setExpirationTime(Math.floor(now() / 1000) + tokenLifetimeS)
        .setJti(randomUUID())
        .sign(await importOnce(signingKeys, row.id, JSON.parse(row.jwk)));
    },
    async verify(token) {
      if (token.length > longestToken) throw refused("it is too long");
      try {
        const { payload } = await jwtVerify(token, ({ kid }) => verificationKey(kid), {
          algorithms: [algorithm],
          issuer,
          audience,
          currentDate: new Date(now()),
          clockTolerance: clockToleranceS,
          requiredClaims: ["exp", "sub", "access"],
        });
        return claimsOf(payload);
      } catch (error) {
        if (error instanceof errors.JOSEError) throw refused(faultOf(error), error);
        throw error;
      }
    },
  };
}

type Imported = ReturnType<typeof importJWK>;

function importOnce(cache: Map<string, Imported>, id: string, jwk: JWK): Imported {
  const known = cache.get(id);
  if (known) return known;
  const made = importJWK(jwk, algorithm);
  cache.set(id, made);
  return made;
}

async function makeKey(): Promise<string> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true, crv: "Ed25519" });
  return JSON.stringify(await exportJWK(privateKey));
}

function refused(fault: string, cause?: unknown): RegistryError {
  return new RegistryError("UNAUTHORIZED", `the bearer token is not valid: ${fault}`, { cause });
}

function faultOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return "it has expired";
  if (error instanceof errors.JWTClaimValidationFailed) return `its ${error.claim} is not what it has to be`;
  if (error instanceof errors.JWSSignatureVerificationFailed) return "its signature is wrong";
  return "it was not made by this registry";
}

/** Safe casts: the signature says that `sign` wrote them. */
function claimsOf(payload: JWTPayload): VerifiedClaims {
  return {
    ...(payload as unknown as TokenClaims),
    expiresAt: ((payload.exp ?? 0) + clockToleranceS) * 1000,
  };
}
