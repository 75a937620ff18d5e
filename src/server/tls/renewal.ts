import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Pages } from "../handler.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings.ts";
import { authorityFile, localTls, type TlsSettings } from "./settings.ts";

/** Where clients find the certificate of a local authority. They check its fingerprint, as nothing else vouches for it. */
export const authorityPath = "/.well-known/berth/authority.pem";

const renewalMs = 3_600_000;

/** The settings with the local authority of the data folder, where there is one and nothing else is said. */
export function withLocalTls(settings: Settings): Settings {
  const tls = localTls(join(settings.data, "tls"));
  return settings.tls === undefined && existsSync(tls.certificate) ? { ...settings, tls } : settings;
}

/** Renews what a local authority made if it is time, before a server starts. @throws what reading and writing throw */
export async function renewIfDue(tls: TlsSettings | undefined): Promise<void> {
  if (tls?.folder !== undefined) await renew(tls.folder);
}

/** Loaded late: what makes certificates is not needed to serve. */
async function renew(folder: string) {
  const { renewLocalTls } = await import("./local-authority.ts");
  return renewLocalTls(folder);
}

/** Renews the certificate of a local authority when it is time. The listener takes it as it takes any new file. */
export function startRenewal(tls: TlsSettings | undefined, log: Log): NodeJS.Timeout | undefined {
  const folder = tls?.folder;
  if (folder === undefined) return undefined;
  const timer = setInterval(async () => {
    try {
      const { certificate, ends } = await renew(folder);
      if (certificate !== "kept") log.info({ ends }, "renewed the certificate");
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
