import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Pages } from "../handler.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings.ts";
import { acmeTls, authorityFile, localTls, type TlsSettings } from "./settings.ts";

/** Where clients find the certificate of a local authority. They check its fingerprint, as nothing else vouches for it. */
export const authorityPath = "/.well-known/berth/authority.pem";

const renewalMs = 3_600_000;

/** The settings with the certificate that is in the data folder: of ACME, or of a local authority if nothing is said. */
export function withKeptTls(settings: Settings): Settings {
  const { tls, data } = settings;
  if (tls?.acme) return { ...settings, tls: acmeTls(join(data, "tls", "acme"), tls.acme) };
  const local = localTls(join(data, "tls"));
  return tls === undefined && existsSync(local.certificate) ? { ...settings, tls: local } : settings;
}

/**
 * Sees to it that there is a certificate before a server starts, and renews one that is near its end.
 * @throws what reading and writing throw; SettingsError when there is none, and none is to be had
 */
export async function renewIfDue(
  tls: TlsSettings | undefined,
  warn: (message: string) => void,
): Promise<void> {
  try {
    await renew(tls);
  } catch (error) {
    if (!tls || !existsSync(tls.certificate)) throw error; // whether the old one still serves is looked at next
    warn(
      `the certificate could not be renewed, the old one is used: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** Resolves to when the new certificate ends; `undefined` if the old one is kept. */
async function renew(tls: TlsSettings | undefined): Promise<Date | undefined> {
  // Loaded late: what makes certificates is not needed to serve.
  if (tls?.acme) return (await import("./acme.ts")).renewByAcme(tls, tls.acme);
  if (tls?.folder === undefined) return undefined;
  const { certificate, ends } = await (await import("./local-authority.ts")).renewLocalTls(tls.folder);
  return certificate === "kept" ? undefined : ends;
}

/** Renews the server's certificate when it is time. The listener takes it as it takes any new file. */
export function startRenewal(tls: TlsSettings | undefined, log: Log): NodeJS.Timeout | undefined {
  if (tls?.folder === undefined && tls?.acme === undefined) return undefined;
  const timer = setInterval(async () => {
    try {
      const ends = await renew(tls);
      if (ends) log.info({ ends }, "renewed the certificate");
    } catch (error) {
      log.error({ err: error }, "could not renew the certificate");
    }
  }, renewalMs);
  timer.unref();
  return timer;
}

/** Hands out the certificate of a local authority, to everybody: it is no secret. */
export function authorityPages(tls: TlsSettings | undefined): Pages {
  const folder = tls?.folder;
  if (folder === undefined) return {};
  return {
    [authorityPath]: () =>
      new Response(readFileSync(authorityFile(folder)), {
        headers: { "content-type": "application/x-pem-file" },
      }),
  };
}
