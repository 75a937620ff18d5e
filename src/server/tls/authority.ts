import "reflect-metadata"; // first: the library stands on it
import "./reflection.ts";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { AsnConvert } from "@peculiar/asn1-schema";
import { GeneralName, GeneralSubtree, GeneralSubtrees, NameConstraints } from "@peculiar/asn1-x509";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  X509Certificate as Certificate,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { authorityPrefix, certificateDays } from "./certificates.ts";
import { suffixesFor, type TlsNames } from "./names.ts";

/** A certificate and its key, both PEM. */
export interface KeyedCertificate {
  readonly certificate: string;
  readonly key: string;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const dayMs = 86_400_000;
const authorityDays = 3650;
/** Clocks of clients may be behind by this much. */
const slackMs = 3_600_000;
const nameConstraintsId = "2.5.29.30";

/**
 * Makes an authority that clients can trust with little: it can vouch for servers alone, for no further authority, and of
 * host names for private ones and those at and below `names`. It can vouch for any address: BoringSSL, and with it Bun,
 * refuses whatever an authority that limits addresses made. https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.10
 */
export async function makeAuthority(names: TlsNames, now: Date): Promise<KeyedCertificate> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [`${authorityPrefix}${names.dns[0] ?? names.addresses[0] ?? "this machine"}`] }],
    notBefore: new Date(now.getTime() - slackMs),
    notAfter: new Date(now.getTime() + authorityDays * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      // Of an authority, it limits what those certificates are good for that it makes, where clients look at it.
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      constraintTo(suffixesFor(names)),
    ],
  });
  return { certificate: pemOf(certificate.toString("pem")), key: await exportKey(keys.privateKey) };
}

function constraintTo(suffixes: readonly string[]): Extension {
  const subtrees = suffixes.map((dNSName) => new GeneralSubtree({ base: new GeneralName({ dNSName }) }));
  const constraints = new NameConstraints({ permittedSubtrees: new GeneralSubtrees(subtrees) });
  return new Extension(nameConstraintsId, true, AsnConvert.serialize(constraints));
}

/** What the host names end in for which an authority may vouch; `undefined` where its certificate does not say. */
export function suffixesOf(authority: string): readonly string[] | undefined {
  const extension = new Certificate(authority).getExtension(nameConstraintsId);
  if (!extension) return undefined;
  const { permittedSubtrees } = AsnConvert.parse(extension.value, NameConstraints);
  return [...(permittedSubtrees ?? [])].flatMap(({ base }) => (base.dNSName ? [base.dNSName] : []));
}

/** Makes a key for a server, PEM. */
export async function makeServerKey(): Promise<string> {
  const { privateKey } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  return exportKey(privateKey);
}

/** Makes out a certificate for a server's key. The authority must be allowed to vouch for its names. */
export async function issueCertificate(
  authority: KeyedCertificate,
  serverKey: string,
  names: TlsNames,
  now: Date,
): Promise<string> {
  const issuer = new X509Certificate(authority.certificate);
  const [signingKey, issuerKey, publicKey] = await Promise.all([
    importPrivateKey(authority.key),
    importPublicKey(authority.key),
    importPublicKey(serverKey),
  ]);
  const end = Math.min(now.getTime() + certificateDays * dayMs, Date.parse(issuer.validTo));
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: [names.dns[0] ?? names.addresses[0] ?? "localhost"] }],
    issuer: [{ CN: [commonNameOf(issuer)] }],
    notBefore: new Date(now.getTime() - slackMs),
    notAfter: new Date(end),
    signingAlgorithm: algorithm,
    publicKey,
    signingKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension([
        ...names.dns.map((value) => ({ type: "dns" as const, value })),
        ...names.addresses.map((value) => ({ type: "ip" as const, value })),
      ]),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(issuerKey),
    ],
  });
  return pemOf(certificate.toString("pem"));
}

function commonNameOf(certificate: X509Certificate): string {
  return /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? certificate.subject;
}

function pemOf(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}

async function exportKey(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", key));
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" })
    .export({ format: "pem", type: "pkcs8" })
    .toString();
}

function importPrivateKey(pem: string): Promise<CryptoKey> {
  const der = createPrivateKey(pem).export({ format: "der", type: "pkcs8" });
  return crypto.subtle.importKey("pkcs8", new Uint8Array(der), algorithm, true, ["sign"]);
}

function importPublicKey(privatePem: string): Promise<CryptoKey> {
  const der = createPublicKey(privatePem).export({ format: "der", type: "spki" });
  return crypto.subtle.importKey("spki", new Uint8Array(der), algorithm, true, ["verify"]);
}
