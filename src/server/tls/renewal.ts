import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Pages } from "../handler.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings/settings.ts";
import type { Starting } from "./first-order.ts";
import { readKeptTls } from "./kept-tls.ts";
import { acmeTls, authorityFile, localTls, type TlsSettings } from "./settings.ts";

/** Where clients find the certificate of a local authority. They check its fingerprint, as nothing else vouches for it. */
export const authorityPath = "/.well-known/berth/authority.pem";

/** How often it is looked whether a certificate is near its end. */
const acmeLookMs = 3_600_000;
/** How often it is also looked whether this machine has another address. */
const localLookMs = 5000;

/** The settings with the certificate that is in the data folder: of ACME, or of a local authority if nothing is said. */
export function withKeptTls(settings: Settings): Settings {
  const { tls, data } = settings;
  if (tls?.acme) return { ...settings, tls: acmeTls(join(data, "tls", "acme"), tls.acme) };
  const folder = join(data, "tls");
  return tls === undefined && existsSync(authorityFile(folder))
    ? { ...settings, tls: localTls(folder) }
    : settings;
}

/**
 * Sees to it that there is a certificate before a server listens. It may take as long as an ACME server gives none.
 * @throws RegistryError CONFLICT when somebody else's is in its place; what reading and writing throw; SettingsError when
 * there is none, and waiting is of no use; the reason of the signal when it is aborted
 */
export async function prepareTls(tls: TlsSettings | undefined, starting: Starting): Promise<void> {
  if (tls?.acme) return (await import("./first-order.ts")).waitForFirst(tls, tls.acme, starting);
  if (tls?.folder !== undefined) await readKeptTls(tls.folder); // what is somebody else's is no certificate to go on with
  try {
    await renew(tls);
  } catch (error) {
    if (!tls || !existsSync(tls.certificate)) throw error; // whether the old one still serves is looked at next
    const reason = error instanceof Error ? error.message : String(error);
    starting.warn(`the certificate could not be renewed, the old one is used: ${reason}`);
  }
}

/** Resolves to when the new certificate ends; `undefined` if the old one is kept. */
async function renew(tls: TlsSettings | undefined): Promise<Date | undefined> {
  // Loaded late: what makes certificates is not needed to serve.
  if (tls?.acme) return (await import("./acme.ts")).renewByAcme(tls, tls.acme);
  if (tls?.folder === undefined) return undefined;
  return (await import("./local-authority.ts")).renewLocalTls(tls.folder);
}

/** Renews the server's certificate when it is time. The listener takes it as it takes any new file. */
export function startRenewal(tls: TlsSettings | undefined, log: Log): { stop(): void } | undefined {
  if (tls?.folder === undefined && tls?.acme === undefined) return undefined;
  let isBusy = false; // an order takes its time
  let told = ""; // what is wrong for long is said once
  const look = async (): Promise<void> => {
    if (isBusy) return;
    isBusy = true;
    try {
      const ends = await renew(tls);
      told = "";
      if (ends) log.info({ ends }, "renewed the certificate");
    } catch (error) {
      if (told !== String(error)) log.error({ err: error }, "could not renew the certificate");
      told = String(error);
    } finally {
      isBusy = false;
    }
  };
  if (tls.acme) void look(); // at the start, one that is near its end was good enough
  const timer = setInterval(look, tls.acme ? acmeLookMs : localLookMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
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
