import { createPrivateKey, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { RegistryError } from "../../oci/errors.ts";
import type { KeyedCertificate } from "./authority.ts";
import { type CertificateFacts, certificateDays, factsOf, fingerprintOf } from "./certificates.ts";
import { makeFolder, readIfThere, writeWhole } from "./files.ts";
import { namesOfThisMachine, refusedNames, type TlsNames, tlsNames, unionOf } from "./names.ts";
import { authorityFile, localTls } from "./settings.ts";

/** What became of a local authority and of the certificate that it makes for its server. */
export interface LocalTls {
  readonly authority: "made" | "kept";
  readonly certificate: "made" | "renewed" | "kept";
  readonly names: TlsNames;
  /** When the certificate ends, which is renewed before. */
  readonly ends: Date;
  /** SHA-256 of the authority's certificate, 64 digits. */
  readonly fingerprint: string;
}

/**
 * Sees to it that a folder has an authority and a certificate for `wanted`, this machine and what the certificate was
 * for until now. What is there and good stays; keys are for their owner alone.
 * @param isNew makes another authority, which every client has to be told of
 * @throws RegistryError CONFLICT when the authority may not vouch for a name, or half of it is missing; what writing throws
 */
export async function setUpLocalTls(
  folder: string,
  wanted: TlsNames,
  isNew = false,
  now = new Date(),
): Promise<LocalTls> {
  await makeFolder(folder);
  const known = isNew ? undefined : await readAuthority(folder);
  const names = unionOf(wanted, namesOfThisMachine());
  const { makeAuthority, suffixesOf } = await loadAuthority();
  const authority = known ?? (await makeAuthority(names, now));
  const refused = refusedNames(wanted, suffixesOf(authority.certificate));
  if (refused.length > 0) {
    throw new RegistryError(
      "CONFLICT",
      `the authority in ${folder} may not vouch for ${refused.join(", ")}: add --new-authority to make another one, ` +
        "of which every client then has to be told with berth setup client",
    );
  }
  if (!known) await writePair(folder, "authority", authority);
  return { ...(await certify(folder, authority, names, now)), authority: known ? "kept" : "made" };
}

/**
 * Renews the certificate of a local authority when a third of its time is left, or this machine has an address that it
 * does not name. @throws what reading and writing throw
 */
export async function renewLocalTls(folder: string, now = new Date()): Promise<LocalTls> {
  const authority = await readAuthority(folder);
  if (!authority) {
    throw new RegistryError(
      "CONFLICT",
      `there is no authority in ${folder}: make one with berth setup server NAME`,
    );
  }
  return { ...(await certify(folder, authority, namesOfThisMachine(), now)), authority: "kept" };
}

async function certify(
  folder: string,
  authority: KeyedCertificate,
  wanted: TlsNames,
  now: Date,
): Promise<Omit<LocalTls, "authority">> {
  const files = localTls(folder);
  const fingerprint = fingerprintOf(authority.certificate);
  const old = await readIfThere(files.certificate);
  const key = await readIfThere(files.key);
  const facts = old === undefined ? undefined : factsOf(old);
  const isFresh = old !== undefined && key !== undefined && !isDue(old, authority.certificate, now);
  if (facts && isFresh && hasAll(facts.names, wanted)) return kept(facts, fingerprint);
  const { issueCertificate, makeServerKey, suffixesOf } = await loadAuthority();
  const all = facts ? unionOf(facts.names, wanted) : wanted;
  const refused = new Set(refusedNames(all, suffixesOf(authority.certificate)));
  const names = tlsNames([...all.dns.filter((name) => !refused.has(name)), ...all.addresses]);
  if (facts && isFresh && hasAll(facts.names, names)) return kept(facts, fingerprint);
  const serverKey = key ?? (await makeServerKey());
  const certificate = await issueCertificate(authority, serverKey, names, now);
  // The key stays when there is one, so that a server that reads both meanwhile reads what belongs together.
  if (key === undefined) await writeWhole(files.key, serverKey, 0o600);
  await writeWhole(files.certificate, certificate, 0o644);
  const { ends } = factsOf(certificate);
  return { certificate: old === undefined ? "made" : "renewed", names, ends, fingerprint };
}

/** What makes certificates is loaded late: most starts find a good one. */
const loadAuthority = () => import("./authority.ts");

function kept({ names, ends }: CertificateFacts, fingerprint: string): Omit<LocalTls, "authority"> {
  return { certificate: "kept", names, ends, fingerprint };
}

function isDue(certificate: string, authority: string, now: Date): boolean {
  const left = factsOf(certificate).ends.getTime() - now.getTime();
  const isOurs = new X509Certificate(certificate).checkIssued(new X509Certificate(authority));
  return !isOurs || left < (certificateDays / 3) * 86_400_000;
}

function hasAll(names: TlsNames, wanted: TlsNames): boolean {
  const known = new Set([...names.dns, ...names.addresses]);
  return [...wanted.dns, ...wanted.addresses].every((name) => known.has(name));
}

/** @throws RegistryError CONFLICT when its key is missing, or another's */
async function readAuthority(folder: string): Promise<KeyedCertificate | undefined> {
  const certificate = await readIfThere(authorityFile(folder));
  if (certificate === undefined) return undefined;
  const key = await readIfThere(join(folder, "authority.key"));
  if (key !== undefined && isPair(certificate, key)) return { certificate, key };
  if (key !== undefined) {
    throw new RegistryError(
      "CONFLICT",
      `${authorityFile(folder)} and authority.key beside it do not belong together: bring the right key back, or make ` +
        "another authority with berth setup server --new-authority",
    );
  }
  throw new RegistryError(
    "CONFLICT",
    `${authorityFile(folder)} is there without its key authority.key: bring the key back, or make another authority ` +
      "with berth setup server --new-authority",
  );
}

function isPair(certificate: string, key: string): boolean {
  return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
}

/** The key first: a certificate without its key would be an authority that can do nothing. */
async function writePair(
  folder: string,
  name: string,
  { certificate, key }: KeyedCertificate,
): Promise<void> {
  await writeWhole(join(folder, `${name}.key`), key, 0o600);
  await writeWhole(join(folder, `${name}.pem`), certificate, 0o644);
}
