import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createTransport } from "#transport";
import { quote, RegistryError } from "../../oci/errors.ts";
import { nameFault } from "../../server/tls/certificate-files.ts";
import { fingerprintOf } from "../../server/tls/certificates.ts";
import { authorityPath } from "../../server/tls/renewal.ts";
import { UsageError } from "../command.ts";
import { type Peer, shakeHands } from "../reach/handshake.ts";

/** More than any certificate has. */
const maxBytes = 64 * 1024;

/** The 64 digits of a SHA-256 fingerprint, however it is written. @throws UsageError */
export function parseFingerprint(text: string): string {
  const digits = text
    .replace(/^sha-?256[:=\s]*(?:fingerprint=)?/i, "")
    .replace(/[:\s]/g, "")
    .toLowerCase();
  if (/^[0-9a-f]{64}$/.test(digits)) return digits;
  throw new UsageError(
    `--fingerprint is ${quote(text)}: expected the 64 digits of a SHA-256 fingerprint, as berth setup server prints them`,
  );
}

/** The certificate of an authority in a file, PEM. @throws UsageError when it is none */
export async function readAuthority(file: string): Promise<string> {
  const text = await readFile(file, "utf8");
  try {
    const found = new X509Certificate(text);
    if (found.ca) return onlyOne(found);
  } catch (cause) {
    throw new UsageError(`${file} is no certificate: expected PEM, with -----BEGIN CERTIFICATE-----`, {
      cause,
    });
  }
  throw new UsageError(
    `${file} is the certificate of a server, not of an authority: expected the one that signed it`,
  );
}

/**
 * Asks a server for the certificate of its authority. It proves nothing before its fingerprint is compared with one
 * that came another way.
 * @throws RegistryError UNAVAILABLE when there is none, or what came is none
 */
export async function fetchAuthority(peer: Peer, registry: string): Promise<string> {
  const transport = createTransport({
    acceptAnyCertificate: true,
    proxies: false,
    addressOf: () => peer.address,
  });
  try {
    const url = new URL(authorityPath, `https://${registry}`);
    const { status, body } = await transport.send({ method: "GET", url, headers: {} });
    const text = await readSome(body);
    const isCertificate = status === 200 && text.includes("-----BEGIN CERTIFICATE-----");
    const found = isCertificate ? new X509Certificate(text) : undefined;
    if (found?.ca) return onlyOne(found);
    throw new RegistryError(
      "UNAVAILABLE",
      `${registry} does not hand out the certificate of an authority (it answered with status ${status}): give it with ` +
        "--ca-file FILE, or on the server run berth setup server and start it again",
    );
  } finally {
    transport.close();
  }
}

/** The certificate whose fingerprint is compared, and nothing that stands behind it: that would be trusted unseen. */
function onlyOne(certificate: X509Certificate): string {
  return `${certificate.toString().trimEnd()}\n`;
}

async function readSome(body: ReadableStream<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.byteLength;
    if (size > maxBytes) break;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** @throws RegistryError DENIED when the fingerprint is another one */
export function requireFingerprint(authority: string, expected: string, registry: string): void {
  const found = fingerprintOf(authority);
  if (found === expected) return;
  throw new RegistryError(
    "DENIED",
    `the authority of ${registry} has the fingerprint ${found}, expected ${expected}: another server may be answering; ` +
      "compare with what berth setup server prints on the server",
  );
}

/**
 * Makes sure that an authority vouches for what the server shows.
 * @throws RegistryError DENIED, with what is wrong with the server's certificate
 */
export async function requireVouched(peer: Peer, registry: string, authority: string): Promise<void> {
  const { certificate, distrust } = await shakeHands(peer, [authority]);
  if (distrust === undefined) return;
  throw new RegistryError(
    "DENIED",
    `the certificate of ${registry} cannot be trusted: ${faultOf(certificate, peer.host, distrust)}`,
  );
}

/** What is wrong with a server's certificate, and what to do. @param distrust as the runtime says it */
export function faultOf(certificate: Buffer, host: string, distrust: string, now = new Date()): string {
  const shown = new X509Certificate(certificate);
  const renew = `run berth setup server --add ${host} on the server`;
  if (new Date(shown.validTo) < now) return `it expired on ${shown.validTo}: ${renew}`;
  if (new Date(shown.validFrom) > now)
    return `it is not valid before ${shown.validFrom}, and this machine's clock says ${now.toUTCString()}: set the clock`;
  const misnamed = nameFault(shown, host);
  if (misnamed !== undefined) return `${misnamed}: ${renew}`;
  return `another authority made it (${distrust})`;
}
