import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { dirname, join } from "node:path";
import { getCACertificates } from "node:tls";
import { SettingsError } from "../settings.ts";
import { factsOf } from "./certificates.ts";
import { makeFolder, readIfThere, writeWhole } from "./files.ts";
import type { AcmeSettings, TlsSettings } from "./settings.ts";

const challengePath = "/.well-known/acme-challenge/";

/**
 * Gets a certificate from an ACME server when there is none, when a third of its time is left, or when it lacks a domain.
 * Resolves to when the new one ends, `undefined` if the old one stays.
 * @throws SettingsError with what the ACME server said
 */
export async function renewByAcme(
  files: TlsSettings,
  acme: AcmeSettings,
  now = new Date(),
): Promise<Date | undefined> {
  const old = await readIfThere(files.certificate);
  if (old !== undefined && isGood(old, acme.domains, now)) return undefined;
  const { crypto: keys } = await import("acme-client"); // loaded late: most starts find a good certificate
  const folder = dirname(files.certificate);
  await makeFolder(folder);
  const accountFile = join(folder, "account.key");
  const accountKey = (await readIfThere(accountFile)) ?? (await keys.createPrivateEcdsaKey()).toString();
  await writeWhole(accountFile, accountKey, 0o600);
  const serverKey = (await readIfThere(files.key)) ?? (await keys.createPrivateEcdsaKey()).toString();
  await writeWhole(files.key, serverKey, 0o600);
  const certificate = await order(acme, accountKey, serverKey);
  await writeWhole(files.certificate, certificate, 0o644);
  return factsOf(certificate).ends;
}

function isGood(certificate: string, domains: readonly string[], now: Date): boolean {
  const { begins, ends, names } = factsOf(certificate);
  const left = ends.getTime() - now.getTime();
  return (
    left > (ends.getTime() - begins.getTime()) / 3 && domains.every((domain) => names.dns.includes(domain))
  );
}

async function order(acme: AcmeSettings, accountKey: string, serverKey: string): Promise<string> {
  const { axios, Client, crypto: keys } = await import("acme-client");
  const { domains, directory, email, listen, "ca-file": caFile } = acme;
  const ca =
    caFile === undefined ? undefined : [...getCACertificates("default"), readFileSync(caFile, "utf8")];
  await requireDirectory(directory, ca);
  if (ca) axios.defaults.httpsAgent = new Agent({ ca });
  const [commonName] = domains;
  const [, csr] = await keys.createCsr(
    { ...(commonName ? { commonName } : {}), altNames: [...domains] },
    serverKey,
  );
  const answers = new Map<string, string>();
  const server = answerChallenges(listen, answers);
  try {
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
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SettingsError(
      `tls.acme: ${directory} gives no certificate for ${domains.join(", ")}: ${reason}: each has to lead to this machine, ` +
        `with its port 80 to ${listen}`,
      { cause },
    );
  } finally {
    await server.stop(true);
  }
}

/** Asked first: of a server that does not answer, the library says nothing that helps. @throws SettingsError */
async function requireDirectory(directory: string, ca: string[] | undefined): Promise<void> {
  try {
    const { ok, status } = await fetch(directory, ca ? { tls: { ca } } : {});
    if (!ok) throw new Error(`it answers with status ${status}`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SettingsError(
      `tls.acme.directory is ${JSON.stringify(directory)}, which cannot be used: ${reason}`,
      {
        cause,
      },
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
