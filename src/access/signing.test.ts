import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { generateKeyPair, SignJWT } from "jose";
import { makeAccessMetadata, type TemporaryMetadata } from "../../tests/fixtures/access-metadata.ts";
import { createTokenSigner, type TokenClaims, tokenLifetimeS } from "./signing.ts";

const day = 86_400_000;
const claims: TokenClaims = {
  sub: "alice",
  uid: 7,
  epoch: 2,
  access: [{ type: "repository", name: "gallery/app", actions: ["pull"] }],
};

let metadata: TemporaryMetadata;
let clock = Date.now();
beforeAll(() => {
  metadata = makeAccessMetadata();
});
afterAll(() => metadata.remove());

const signer = (audience = "berth") =>
  createTokenSigner({ keys: metadata.access, audience, now: () => clock });
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("createTokenSigner", () => {
  test("verify gives what sign was given when another worker signed", async () => {
    const other = createTokenSigner({ keys: metadata.openAgain(), audience: "berth", now: () => clock });
    const token = await other.sign(claims);
    expect(await signer().verify(token)).toMatchObject({ ...claims });
  });

  test("sign makes one key when workers begin at once", async () => {
    const workers = [metadata.access, metadata.openAgain(), metadata.openAgain()];
    const tokens = await Promise.all(
      workers.map((keys) => createTokenSigner({ keys, audience: "berth", now: () => clock }).sign(claims)),
    );
    expect(new Set(tokens.map((token) => token.split(".")[0])).size).toBe(1);
  });

  test("verify refuses a token when it has expired, allowing for clocks that differ", async () => {
    const token = await signer().sign(claims);
    const issued = clock;
    clock = issued + (tokenLifetimeS + 5) * 1000;
    expect((await signer().verify(token)).sub).toBe("alice");
    clock = issued + (tokenLifetimeS + 15) * 1000;
    await expect(signer().verify(token)).rejects.toThrow("expired");
    clock = issued - 60_000; // not before
    await expect(signer().verify(token)).rejects.toThrow("nbf");
    clock = issued;
  });

  test("verify refuses a token when it is for another registry, or by another key", async () => {
    const token = await signer("other").sign(claims);
    await expect(signer().verify(token)).rejects.toThrow("aud");
    const { privateKey } = await generateKeyPair("EdDSA");
    const [header = ""] = token.split(".");
    const { kid } = JSON.parse(Buffer.from(header, "base64url").toString());
    const forge = (id: string) =>
      new SignJWT({ ...claims })
        .setProtectedHeader({ alg: "EdDSA", kid: id })
        .setIssuer("berth")
        .setAudience("berth")
        .setExpirationTime("1h")
        .sign(privateKey);
    await expect(signer().verify(await forge(kid))).rejects.toThrow("signature");
    await expect(signer().verify(await forge("unknown"))).rejects.toThrow("not made by this registry");
  });

  test.each(["none", "None", "HS256", "ES256"])("verify refuses a token when it says alg %s", async (alg) => {
    const token = await signer().sign(claims);
    const [header = "", payload, signature] = token.split(".");
    const { kid } = JSON.parse(Buffer.from(header, "base64url").toString());
    for (const end of ["", signature]) {
      const forged = `${part({ alg, kid, typ: "JWT" })}.${payload}.${end}`;
      await expect(signer().verify(forged)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    }
  });

  test("verify refuses a token when any of it is changed, cut or repeated", async () => {
    const one = signer();
    const token = await one.sign(claims);
    const lastOfParts = token.split(".").map((_, at, parts) => parts.slice(0, at + 1).join(".").length - 1);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(token.length - 1),
        fc.constantFrom("A", "z", "-", ".", " ", "=", ""),
        async (at, replacement) => {
          // The last letter of a part has bits that mean nothing.
          fc.pre(token[at] !== replacement && !lastOfParts.includes(at));
          const changed = token.slice(0, at) + replacement + token.slice(at + 1);
          await expect(one.verify(changed)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
          await expect(one.verify(token.slice(0, at))).rejects.toMatchObject({ code: "UNAUTHORIZED" });
        },
      ),
      { numRuns: 300 },
    );
    await expect(one.verify(token + token)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    await expect(one.verify("a".repeat(20_000))).rejects.toThrow("too long");
  });

  test("verify refuses any text", async () => {
    const one = signer();
    await fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        await expect(one.verify(text)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
      }),
    );
  });

  test("sign takes a new key after thirty days, and what the old one signed stays valid", async () => {
    const one = signer();
    const before = await one.sign(claims);
    clock += 29 * day;
    const old = await one.sign(claims);
    clock += day - 1000;
    const last = await one.sign(claims);
    clock += 2000;
    const next = await one.sign(claims);
    const keyOf = (token: string) => token.split(".")[0];
    expect([keyOf(old), keyOf(last)]).toEqual([keyOf(before), keyOf(before)]);
    expect(keyOf(next)).not.toBe(keyOf(before));
    expect((await signer().verify(last)).sub).toBe("alice");
  });
});
