import { X509Certificate } from "node:crypto";
import { RegistryError } from "../../oci/errors.ts";
import type { KeyedCertificate } from "./authority.ts";
import { certificateDays, factsOf, fingerprintOf } from "./certificates.ts";
import { makeFolder, type WholeFile, writeTogether } from "./files.ts";
import { filesIn, type KeptTls, namesFile, readKeptTls, usableAuthority, usableServer } from "./kept-tls.ts";
import { areSame, namesOfThisMachine, refusedNames, type TlsNames, unionOf, without } from "./names.ts";

/** What became of a local authority and of the certificate that it makes for its server. */
export interface LocalTls {
  readonly authority: "made" | "kept";
  readonly certificate: "made" | "renewed" | "kept";
  /** What the certificate is for: what was asked for, and what this machine is called. */
  readonly names: TlsNames;
  /** What was asked for. */
  readonly asked: TlsNames;
  /** What was asked for until now, and is no longer. */
  readonly dropped: TlsNames;
  /** When the certificate ends, which is renewed before. */
  readonly ends: Date;
  /** SHA-256 of the authority's certificate, 64 digits. */
  readonly fingerprint: string;
}

export interface SetUpOptions {
  /** Whether what is wanted is added to what was asked for before, instead of taking its place. */
  readonly adds?: boolean;
  /** Whether another authority is made, which every client has to be told of. */
  readonly isNew?: boolean;
  readonly now?: Date;
}

/**
 * Sees to it that a folder has an authority and a certificate for `wanted` and this machine; for what was asked for before,
 * if nothing is wanted. What is there and good stays; keys are for their owner alone. Either all is written or nothing.
 * @throws RegistryError CONFLICT when the authority may not vouch for a name, half of it is missing, or a file is somebody
 * else's; what writing throws
 */
export async function setUpLocalTls(
  folder: string,
  wanted: TlsNames,
  { adds = false, isNew = false, now = new Date() }: SetUpOptions = {},
): Promise<LocalTls> {
  const kept = await readKeptTls(folder);
  const keepsAsked = adds || wanted.dns.length + wanted.addresses.length === 0;
  const asked = keepsAsked ? unionOf(kept.asked, wanted) : wanted;
  const isMade = isNew || kept.authority.certificate === undefined;
  const { makeAuthority, suffixesOf } = await loadAuthority();
  const authority = isMade ? await makeAuthority(asked, now) : usableAuthority(folder, kept);
  const refused = refusedNames(asked, suffixesOf(authority.certificate));
  if (refused.length > 0) {
    throw new RegistryError(
      "CONFLICT",
      `the authority in ${folder} may not vouch for ${refused.join(", ")}: add --new-authority to make another one, ` +
        "of which every client then has to be told with berth setup client",
    );
  }
  const issued = await issueFor(folder, { ...kept, asked }, authority, now);
  await makeFolder(folder);
  await writeTogether([
    namesFile(folder, asked),
    ...(isMade ? pairFiles(filesIn(folder).authority, authority) : []),
    ...issued.files,
  ]);
  return {
    ...issued.outcome,
    authority: isMade ? "made" : "kept",
    asked,
    dropped: without(kept.asked, asked),
    fingerprint: fingerprintOf(authority.certificate),
  };
}

/**
 * Renews the certificate of a local authority when a third of its time is left, or this machine is called otherwise than
 * when it was made. Resolves to when the new one ends; `undefined` if the old one is good.
 * @throws what reading and writing throw; RegistryError CONFLICT as `setUpLocalTls`
 */
export async function renewLocalTls(folder: string, now = new Date()): Promise<Date | undefined> {
  const kept = await readKeptTls(folder);
  const { files, outcome } = await issueFor(folder, kept, usableAuthority(folder, kept), now);
  await writeTogether(files);
  return files.length > 0 ? outcome.ends : undefined;
}

/** What is to be written so that there is a good certificate; nothing when there is one. */
interface Issued {
  readonly files: readonly WholeFile[];
  readonly outcome: Pick<LocalTls, "certificate" | "names" | "ends">;
}

async function issueFor(
  folder: string,
  { server, asked }: KeptTls,
  authority: KeyedCertificate,
  now: Date,
): Promise<Issued> {
  const names = unionOf(asked, namesOfThisMachine());
  const old = usableServer(folder, server);
  if (old && isGood(old.certificate, authority.certificate, names, now))
    return { files: [], outcome: { certificate: "kept", names, ends: factsOf(old.certificate).ends } };
  const { issueCertificate, makeServerKey } = await loadAuthority();
  // The key stays when there is one, so that a server that reads both meanwhile reads what belongs together.
  const key = old?.key ?? (await makeServerKey());
  const certificate = await issueCertificate(authority, key, names, now);
  const [keyFile, certificateFile] = pairFiles(filesIn(folder).server, { certificate, key });
  return {
    files: old ? [certificateFile] : [keyFile, certificateFile],
    outcome: { certificate: old ? "renewed" : "made", names, ends: factsOf(certificate).ends },
  };
}

/** What makes certificates is loaded late: most starts find a good one. */
const loadAuthority = () => import("./authority.ts");

/** A certificate that is the authority's, for exactly these names, and has more than a third of its time left, or all of the authority's. */
function isGood(certificate: string, authority: string, names: TlsNames, now: Date): boolean {
  const facts = factsOf(certificate);
  const isOurs = new X509Certificate(certificate).checkIssued(new X509Certificate(authority));
  const left = facts.ends.getTime() - now.getTime();
  const isLong = left >= (certificateDays / 3) * 86_400_000 || facts.ends >= factsOf(authority).ends;
  return isOurs && isLong && areSame(facts.names, names);
}

/** The key first: a certificate without its key would be an authority that can do nothing. */
function pairFiles(
  paths: Readonly<Record<keyof KeyedCertificate, string>>,
  { certificate, key }: KeyedCertificate,
): readonly [WholeFile, WholeFile] {
  return [
    { path: paths.key, text: key, mode: 0o600 },
    { path: paths.certificate, text: certificate, mode: 0o644 },
  ];
}
