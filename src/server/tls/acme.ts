import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { dirname, join } from "node:path";
import { getCACertificates } from "node:tls";
import { z } from "zod";
import { isRegistryError, quote, RegistryError } from "../../oci/errors.ts";
import { readJson } from "../../oci/json.ts";
import { SettingsError } from "../settings/settings.ts";
import { factsOf } from "./certificates.ts";
import { makeFolder, readIfThere, writeTogether } from "./files.ts";
import { isPair } from "./kept-tls.ts";
import { areSame, tlsNames } from "./names.ts";
import type { AcmeSettings, TlsSettings } from "./settings.ts";

const challengePath = "/.well-known/acme-challenge/";

/** Where a kept certificate came from: of another ACME server, such as one for trying, it would stay unseen. */
const origin = z.object({ directory: z.string(), account: z.string() });

/**
 * Gets a certificate from an ACME server when there is none from there and for these domains, or a third of its time is
 * left. Resolves to when the new one ends, `undefined` if the old one stays.
 * @throws SettingsError when a setting cannot be used; RegistryError UNAVAILABLE with what the ACME server said, CONFLICT when
 * a kept key is none
 */
export async function renewByAcme(
  files: TlsSettings,
  acme: AcmeSettings,
  now = new Date(),
): Promise<Date | undefined> {
  const kept = await readKept(files, acme);
  if (kept && kept.ends.getTime() - now.getTime() > (kept.ends.getTime() - kept.begins.getTime()) / 3)
    return undefined;
  const { crypto: keys } = await import("acme-client"); // loaded late: most starts find a good certificate
  await makeFolder(dirname(files.certificate));
  const accountFile = accountFileOf(files);
  const accountKey = (await readKey(accountFile)) ?? (await keys.createPrivateEcdsaKey()).toString();
  const serverKey = (await readKey(files.key)) ?? (await keys.createPrivateEcdsaKey()).toString();
  await writeTogether([
    { path: accountFile, text: accountKey, mode: 0o600 },
    { path: files.key, text: serverKey, mode: 0o600 },
  ]);
  const certificate = await order(acme, accountKey, serverKey);
  const from = { directory: acme.directory, account: accountOf(accountKey) };
  // The origin last: a crash in between means another order, not that the old one passes for the new one.
  await writeTogether([
    { path: files.certificate, text: certificate, mode: 0o644 },
    { path: originFileOf(files), text: `${JSON.stringify(from)}\n`, mode: 0o644 },
  ]);
  return factsOf(certificate).ends;
}

/** The kept certificate, if it has its key, is from this ACME server by the account that is kept, and for these domains alone. */
export async function readKept(files: TlsSettings, { directory, domains }: AcmeSettings) {
  const [certificate, key, from, accountKey] = await Promise.all(
    [files.certificate, files.key, originFileOf(files), accountFileOf(files)].map(readIfThere),
  );
  if (certificate === undefined || key === undefined || !isPair(certificate, key)) return undefined;
  if (from === undefined || accountKey === undefined || !isKey(accountKey)) return undefined;
  const said = origin.safeParse(readJson(from)).data; // damaged, it says nothing, and another is ordered
  if (said?.directory !== directory || said.account !== accountOf(accountKey)) return undefined;
  const facts = factsOf(certificate);
  return areSame(facts.names, tlsNames(domains)) ? facts : undefined;
}

function accountFileOf({ certificate }: TlsSettings): string {
  return join(dirname(certificate), "account.key");
}

function originFileOf({ certificate }: TlsSettings): string {
  return join(dirname(certificate), "origin.json");
}

/** A kept key; what somebody else put in its place is not written over. @throws RegistryError CONFLICT when it is none */
async function readKey(file: string): Promise<string | undefined> {
  const text = await readIfThere(file);
  if (text === undefined || isKey(text)) return text;
  throw new RegistryError(
    "CONFLICT",
    `tls.acme: ${quote(file)} is no private key: bring the right one back, or remove it, and another is made`,
  );
}

function isKey(text: string): boolean {
  try {
    createPrivateKey(text);
    return true;
  } catch {
    return false;
  }
}

/** An account is known by its key. */
export function accountOf(key: string): string {
  return createHash("sha256")
    .update(createPublicKey(key).export({ type: "spki", format: "der" }))
    .digest("hex");
}

async function order(acme: AcmeSettings, accountKey: string, serverKey: string): Promise<string> {
  const { axios, Client, crypto: keys } = await import("acme-client");
  const { domains, directory, email, listen, "ca-file": caFile } = acme;
  const ca = caFile === undefined ? undefined : [...getCACertificates("default"), readAuthority(caFile)];
  if (ca) axios.defaults.httpsAgent = new Agent({ ca });
  const [commonName] = domains;
  const [, csr] = await keys.createCsr(
    { ...(commonName ? { commonName } : {}), altNames: [...domains] },
    serverKey,
  );
  const answers = new Map<string, string>();
  const server = answerChallenges(listen, answers); // before anybody is asked who counts failures
  try {
    await requireDirectory(directory, ca);
    const client = new Client({ directoryUrl: directory, accountKey });
    return await client.auto({
      csr,
      ...(email === undefined ? {} : { email }),
      termsOfServiceAgreed: acme["agree-to-terms"],
      challengePriority: ["http-01"],
      skipChallengeVerification: true, // from here, the name may lead elsewhere than from outside
      challengeCreateFn: async (_, { token }, answer) => void answers.set(token, answer),
      challengeRemoveFn: async (_, { token }) => void answers.delete(token),
    });
  } catch (cause) {
    if (isRegistryError(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RegistryError(
      "UNAVAILABLE",
      `tls.acme: ${directory} gives no certificate for ${domains.join(", ")}: ${reason}: each has to lead to this machine, ` +
        `with its port 80 to ${listen}`,
      { cause },
    );
  } finally {
    await server.stop(true);
  }
}

/** @throws SettingsError */
function readAuthority(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SettingsError(`tls.acme.ca-file is ${JSON.stringify(file)}: ${reason}`, { cause });
  }
}

/** Asked first: of a server that does not answer, the library says nothing that helps. @throws RegistryError UNAVAILABLE */
async function requireDirectory(directory: string, ca: string[] | undefined): Promise<void> {
  try {
    const { ok, status } = await fetch(directory, ca ? { tls: { ca } } : {});
    if (!ok) throw new Error(`it answers with status ${status}`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RegistryError(
      "UNAVAILABLE",
      `tls.acme.directory is ${JSON.stringify(directory)}, which cannot be used: ${reason}`,
      { cause },
    );
  }
}

/** Answers the ACME server's questions, and nobody else's. https://www.rfc-editor.org/rfc/rfc8555#section-8.3 */
function answerChallenges(listen: string, answers: ReadonlyMap<string, string>) {
  const [hostname, port] = [
    listen.slice(0, listen.lastIndexOf(":")),
    Number(listen.slice(listen.lastIndexOf(":") + 1)),
  ];
  try {
    return Bun.serve({
      hostname: hostname.replace(/^\[|\]$/g, ""),
      port,
      development: false,
      fetch({ url }) {
        const { pathname } = new URL(url);
        const answer = pathname.startsWith(challengePath)
          ? answers.get(pathname.slice(challengePath.length))
          : undefined;
        return answer === undefined ? new Response(null, { status: 404 }) : new Response(answer);
      },
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SettingsError(
      `tls.acme.listen is ${JSON.stringify(listen)}, where nobody can listen: ${reason}`,
      { cause },
    );
  }
}
