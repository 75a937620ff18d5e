import { createPrivateKey, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import type { KeyedCertificate } from "./authority.ts";
import { factsOf, isMadeHere } from "./certificates.ts";
import { readIfThere, type WholeFile } from "./files.ts";
import { parseTlsNames, type TlsNames } from "./names.ts";
import { authorityFile, localTls } from "./settings.ts";

/** What `berth setup server` left in a folder. */
export interface KeptTls {
  /** The authority's certificate and its key, as far as they are there. */
  readonly authority: Partial<KeyedCertificate>;
  /** The server's. */
  readonly server: Partial<KeyedCertificate>;
  /** What somebody asked for that the certificate be for. */
  readonly asked: TlsNames;
}

/** Where the files of a local authority and its server are. */
export function filesIn(folder: string) {
  return {
    names: join(folder, "names.txt"),
    authority: { certificate: authorityFile(folder), key: join(folder, "authority.key") },
    server: localTls(folder),
  };
}

/**
 * Reads what is in a folder.
 * @throws RegistryError CONFLICT when it has a file by one of the names that `berth setup server` did not make
 */
export async function readKeptTls(folder: string): Promise<KeptTls> {
  const files = filesIn(folder);
  const names = await readIfThere(files.names);
  const authority = await readPair(files.authority);
  const server = await readPair(files.server);
  // The names are the first file that is made; folders of before that was so have an authority.
  const isBerths = names !== undefined || authority.certificate !== undefined;
  const foreign = [
    ...(isForeign(authority.certificate) ? [files.authority.certificate] : []),
    ...(isForeign(server.certificate) ? [files.server.certificate] : []),
    ...(authority.key !== undefined && !isBerths ? [files.authority.key] : []),
    ...(server.key !== undefined && !isBerths ? [files.server.key] : []),
  ];
  if (foreign.length > 0) {
    throw conflict(
      `berth setup server did not make ${foreign.join(" and ")}: nothing was changed; move that away, or choose another folder ` +
        "with --out (berth serve --tls-certificate FILE --tls-key FILE serves a certificate of your own)",
    );
  }
  const { certificate } = server;
  if (names !== undefined) return { authority, server, asked: parseNames(files.names, names) };
  const asked = certificate === undefined ? parseTlsNames([]) : factsOf(certificate).names;
  return { authority, server, asked };
}

async function readPair(
  files: Readonly<Record<keyof KeyedCertificate, string>>,
): Promise<Partial<KeyedCertificate>> {
  const [certificate, key] = [await readIfThere(files.certificate), await readIfThere(files.key)];
  return { ...(certificate === undefined ? {} : { certificate }), ...(key === undefined ? {} : { key }) };
}

function isForeign(certificate: string | undefined): boolean {
  try {
    return certificate !== undefined && !isMadeHere(certificate);
  } catch {
    return true; // it is no certificate at all
  }
}

/**
 * The authority that can make certificates.
 * @throws RegistryError CONFLICT when there is none, or its key is missing or another's
 */
export function usableAuthority(folder: string, { authority }: KeptTls): KeyedCertificate {
  const { certificate, key } = authority;
  const file = authorityFile(folder);
  const another = "make another authority with berth setup server --new-authority";
  if (certificate === undefined)
    throw conflict(
      `there is no authority in ${folder}: make one with berth setup server NAME --out ${folder}`,
    );
  if (key === undefined)
    throw conflict(`${file} is there without its key authority.key: bring the key back, or ${another}`);
  if (isPair(certificate, key)) return { certificate, key };
  throw conflict(
    `${file} and authority.key beside it do not belong together: bring the right key back, or ${another}`,
  );
}

/**
 * The server's certificate with its key; `undefined` when one of them is missing, so that both are to be made.
 * @throws RegistryError CONFLICT when the key is another's
 */
export function usableServer(
  folder: string,
  { certificate, key }: KeptTls["server"],
): KeyedCertificate | undefined {
  if (certificate === undefined || key === undefined) return undefined;
  if (isPair(certificate, key)) return { certificate, key };
  throw conflict(
    `${localTls(folder).certificate} and server.key beside it do not belong together: bring the right key back, or remove ` +
      "both, and berth setup server makes others",
  );
}

function conflict(message: string): RegistryError {
  return new RegistryError("CONFLICT", message);
}

/** Whether a key is that of a certificate. What is no key is none's. */
export function isPair(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

const comment =
  "# What berth setup server was asked for. The addresses of this machine are found anew each time.";

/** The file that remembers what was asked for. */
export function namesFile(folder: string, { dns, addresses }: TlsNames): WholeFile {
  return { path: filesIn(folder).names, text: [comment, ...dns, ...addresses, ""].join("\n"), mode: 0o644 };
}

/** @throws RegistryError CONFLICT when somebody wrote there what is no name */
function parseNames(file: string, text: string): TlsNames {
  try {
    return parseTlsNames(text.split("\n").filter((line) => line !== "" && !line.startsWith("#")));
  } catch (cause) {
    if (!isRegistryError(cause)) throw cause;
    throw new RegistryError("CONFLICT", `${file} cannot be used: ${cause.message}`, { cause });
  }
}
