import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { RegistryError } from "../../oci/errors.ts";
import { errorCode } from "../../registry/files/durable.ts";
import { SettingsError } from "../settings/settings.ts";

/** Where a server's certificate chain and its key are, both PEM. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate that can be served now. */
export interface ServerCertificate {
  /** The chain, and the key, as they stand in the files. */
  readonly cert: string;
  readonly key: string;
  /** The server's own certificate, the first of the chain. */
  readonly leaf: X509Certificate;
}

/**
 * Reads a server's certificate.
 * @throws SettingsError when a file cannot be read, is not what it should be, or they do not belong together; RegistryError
 * UNAVAILABLE when clients would refuse the certificate because of its time, which mends itself when it is renewed
 */
export function readServerCertificate(
  { certificate, key }: CertificateFiles,
  now = new Date(),
): ServerCertificate {
  const cert = readText("tls.certificate", certificate);
  const keyText = readText("tls.key", key);
  const chain = parseChain(certificate, cert);
  const [leaf] = chain;
  const privateKey = parseKey(key, keyText);
  if (!leaf.checkPrivateKey(privateKey)) throw mismatch({ certificate, key }, chain, privateKey);
  const [from, to] = [new Date(leaf.validFrom), new Date(leaf.validTo)];
  if (to <= now) throw unusable(certificate, `expired on ${dateOf(to)}: renew it, clients refuse it`);
  if (from > now) {
    const clock = `this machine's clock says ${dateOf(now)}`;
    throw unusable(certificate, `is valid from ${dateOf(from)} on, and ${clock}: set the clock, or renew it`);
  }
  return { cert, key: keyText, leaf };
}

/** The names and addresses that a certificate is for, as clients compare them: those of its subjectAltName. */
export function namesOf(leaf: X509Certificate): readonly string[] {
  const listed = leaf.subjectAltName?.split(", ") ?? [];
  return listed.flatMap((entry) => {
    const [, name] = /^(?:DNS|IP Address):(.+)$/.exec(entry) ?? [];
    return name === undefined ? [] : [name.replace(/^0(?::0){6}:1$/, "::1")];
  });
}

/**
 * Why clients refuse a certificate; undefined when they take it.
 * @param host the name or address that they ask for, without a port; any that the certificate has, if absent
 */
export function nameFault(leaf: X509Certificate, host: string | undefined): string | undefined {
  const names = namesOf(leaf);
  if (names.length === 0)
    return "the certificate names nobody in its subjectAltName, and clients look nowhere else: make one that does";
  if (host === undefined) return undefined;
  const bare = host.replace(/^\[|\]$/g, "");
  const found = isIP(bare) === 0 ? leaf.checkHost(bare) : leaf.checkIP(bare);
  if (found !== undefined) return undefined;
  return `the certificate is for ${names.join(", ")}, not for ${bare}: clients that ask for that refuse it`;
}

function readText(setting: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: "there is no such file",
      EACCES: `user ${process.getuid?.() ?? "of this process"} may not read it`,
      EISDIR: "it is a folder",
    };
    const reason = reasons[errorCode(cause)] ?? (cause instanceof Error ? cause.message : String(cause));
    throw new SettingsError(`${setting} is ${JSON.stringify(file)}: ${reason}`, { cause });
  }
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

function parseChain(file: string, text: string): readonly [X509Certificate, ...X509Certificate[]] {
  const blocks = text.match(certificateBlock) ?? [];
  const [first, ...rest] = blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SettingsError(`tls.certificate is ${JSON.stringify(file)}: it cannot be read: ${reason}`, {
        cause,
      });
    }
  });
  if (first) return [first, ...rest];
  const hint = text.includes("PRIVATE KEY")
    ? "it has a key: are the two files interchanged?"
    : "it has none in PEM";
  throw new SettingsError(`tls.certificate is ${JSON.stringify(file)}: expected a certificate, ${hint}`);
}

function parseKey(file: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    const isEncrypted = errorCode(cause) === "ERR_MISSING_PASSPHRASE";
    const hint = isEncrypted
      ? `it is encrypted, Berth asks for no passphrase: openssl pkey -in ${file} -out FILE makes one that is not`
      : "it has none in PEM";
    throw new SettingsError(`tls.key is ${JSON.stringify(file)}: expected a private key, ${hint}`, { cause });
  }
}

function mismatch(
  { certificate, key }: CertificateFiles,
  chain: readonly X509Certificate[],
  privateKey: KeyObject,
): SettingsError {
  const place = chain.findIndex((one) => one.checkPrivateKey(privateKey));
  const hint =
    place < 0
      ? "give the key that the certificate was made with"
      : `it belongs to certificate ${place + 1} of that file: the server's own has to stand first`;
  return new SettingsError(`tls: the key ${key} does not belong to the certificate ${certificate}: ${hint}`);
}

function unusable(file: string, why: string): RegistryError {
  return new RegistryError("UNAVAILABLE", `tls.certificate is ${JSON.stringify(file)}: it ${why}`);
}

function dateOf(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}
