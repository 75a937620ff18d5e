import { setTimeout } from "node:timers/promises";
import { isRegistryError } from "../../oci/errors.ts";
import { SettingsError } from "../settings/settings.ts";
import { readKept, renewByAcme } from "./acme.ts";
import { readServerCertificate } from "./certificate-files.ts";
import type { AcmeSettings, TlsSettings } from "./settings.ts";

/**
 * The pauses between first orders that fail. Let's Encrypt takes five failures an hour for a name.
 * https://letsencrypt.org/docs/rate-limits/#authorization-failures-per-identifier-per-account
 */
const minuteMs = 60_000;
const pauseGrowth = 3;
const longestPauseMs = 360 * minuteMs;

/** Who waits for a server's start. */
export interface Starting {
  /** Shows what they have to know meanwhile. */
  warn(message: string): void;
  /** Aborted when they wait no longer. */
  readonly signal: AbortSignal;
}

/**
 * Orders a certificate for a server that starts, if the kept one is not what the settings say. When the ACME server gives
 * none, the old one serves if it can; else the order is tried again, after pauses that grow.
 * @throws SettingsError when trying again is of no use; the reason of the signal when it is aborted
 */
export async function waitForFirst(
  files: TlsSettings,
  acme: AcmeSettings,
  { warn, signal }: Starting,
  firstPauseMs = minuteMs,
): Promise<void> {
  if ((await readKept(files, acme)) && canServe(files)) return; // the running server renews it
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * pauseGrowth, longestPauseMs)) {
    try {
      await Promise.race([renewByAcme(files, acme), rejectOnAbort(signal)]);
      return;
    } catch (error) {
      if (signal.aborted || error instanceof SettingsError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      if (canServe(files)) return warn(`the old certificate is used: ${reason}`);
      warn(
        `${reason}; nothing is served before there is a certificate: the next try is in ${pauseMs / minuteMs} min`,
      );
    }
    await setTimeout(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

function canServe(files: TlsSettings): boolean {
  try {
    readServerCertificate(files);
    return true;
  } catch (error) {
    if (error instanceof SettingsError || isRegistryError(error)) return false;
    throw error;
  }
}

/** An order knows no signal: who waits for it has to leave it. */
function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
