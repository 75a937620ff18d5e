import { createHash, X509Certificate } from "node:crypto";
import { type TlsNames, tlsNames } from "./names.ts";

/** How long a server's certificate lasts. It is renewed when a third of that is left. */
export const certificateDays = 90;

/** What the names of the authorities begin with that Berth makes. */
export const authorityPrefix = "Berth authority of ";

/** What a certificate says of itself. */
export interface CertificateFacts {
  readonly names: TlsNames;
  readonly begins: Date;
  readonly ends: Date;
}

/** @throws when the text is no certificate */
export function factsOf(certificate: string | Buffer): CertificateFacts {
  const parsed = new X509Certificate(certificate);
  const names = [...(parsed.subjectAltName ?? "").matchAll(/(?:DNS|IP Address):([^,\s]+)/g)];
  return {
    names: tlsNames(names.map(([, name = ""]) => name)),
    begins: new Date(parsed.validFrom),
    ends: new Date(parsed.validTo),
  };
}

/** The SHA-256 fingerprint of a certificate, 64 digits in lower case. @throws when the text is no certificate */
export function fingerprintOf(certificate: string): string {
  return createHash("sha256").update(new X509Certificate(certificate).raw).digest("hex");
}

/** Whether a certificate says that an authority of Berth's made it, such as that authority itself. @throws when it is none */
export function isMadeHere(certificate: string): boolean {
  return new X509Certificate(certificate).issuer.startsWith(`CN=${authorityPrefix}`);
}
