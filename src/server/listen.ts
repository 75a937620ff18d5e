import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { type Connection, idleSeconds } from "./context.ts";
import type { Log } from "./log.ts";
import { emptyResponse } from "./responses.ts";
import { type Settings, SettingsError } from "./settings.ts";

/** What takes connections. */
export interface Listener {
  /** Such as `http://127.0.0.1:5000`. */
  readonly address: string;
  /** Takes no new connections; resolves when the requests under way are answered, or are cut after `limitMs`. */
  stop(limitMs: number): Promise<void>;
}

export interface ListenOptions {
  readonly settings: Settings;
  /** Several processes, or the successor of a listener, listen on the same port. */
  readonly shared: boolean;
  readonly handle: (request: Request, connection: Connection) => Promise<Response>;
  readonly log: Log;
}

/** How often it is asked whether the last requests are answered. */
const pollMs = 20;
/** How often certificate files are looked at. */
const certificateCheckMs = 5000;

/** Listens; with TLS, follows changes of the certificate files. @throws SettingsError; EADDRINUSE */
export function listen(options: ListenOptions): Listener {
  const { settings, log } = options;
  if (settings.tls && !options.shared) probePort(settings);
  let current = open(options, portOf(settings));
  const port = current.port ?? portOf(settings);
  /** Listeners that another took the place of, with requests under way perhaps. */
  let retired: (typeof current)[] = [];
  let seen = certificateVersion(settings);
  const timer = setInterval(() => {
    const version = certificateVersion(settings);
    if (version === seen || version === undefined) return;
    seen = version;
    retired = retired.filter(({ pendingRequests }) => pendingRequests > 0);
    try {
      // Bun's reload() ignores new certificates: a new listener takes over, the old one finishes what it has.
      const next = open(options, port);
      retired.push(current);
      current.stop(false);
      current = next;
      log.info({ certificate: settings.tls?.certificate }, "took the new certificate");
    } catch (error) {
      log.error({ err: error }, "the new certificate cannot be used, the old one stays");
    }
  }, certificateCheckMs);
  timer.unref();
  if (!settings.tls) clearInterval(timer);
  const host = current.hostname?.includes(":") ? `[${current.hostname}]` : current.hostname;
  return {
    address: `${settings.tls ? "https" : "http"}://${host}:${port}`,
    async stop(limitMs) {
      clearInterval(timer);
      const deadline = Date.now() + limitMs;
      current.stop(false); // its promise does not wait for the bodies of requests
      const all = [current, ...retired];
      const areBusy = (): boolean => all.some(({ pendingRequests }) => pendingRequests > 0);
      while (areBusy() && Date.now() < deadline) await Bun.sleep(pollMs);
      await Promise.all(all.map((one) => one.stop(true)));
    },
  };
}

/**
 * Fails when something listens on the port, which a shared listener would not notice. Resolves port 0 to a free one.
 * @throws EADDRINUSE
 */
export function probePort(settings: Settings): number {
  const probe = Bun.serve({ ...where(settings, portOf(settings)), fetch: () => emptyResponse(503, {}) });
  const port = probe.port ?? portOf(settings);
  probe.stop(true);
  return port;
}

function open({ settings, shared, handle, log }: ListenOptions, port: number) {
  return Bun.serve({
    ...where(settings, port),
    reusePort: shared || settings.tls !== undefined,
    development: false,
    idleTimeout: idleSeconds,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    ...(settings.tls ? { tls: readCertificate(settings.tls) } : {}),
    fetch: (request, server) => handle(request, server),
    error(error) {
      log.error({ err: error }, "failed outside of a request");
      return emptyResponse(500, {});
    },
  });
}

function where({ listen: text }: Settings, port: number) {
  return { hostname: text.slice(0, text.lastIndexOf(":")).replace(/^\[|\]$/g, ""), port };
}

function portOf({ listen: text }: Settings): number {
  return Number(text.slice(text.lastIndexOf(":") + 1));
}

/** @throws SettingsError when a file cannot be read, or certificate and key do not belong together */
function readCertificate({ certificate, key }: { readonly certificate: string; readonly key: string }) {
  try {
    const files = { cert: readTlsFile("certificate", certificate), key: readTlsFile("key", key) };
    if (!new X509Certificate(files.cert).checkPrivateKey(createPrivateKey(files.key))) {
      throw new SettingsError(`tls: the key ${key} does not belong to the certificate ${certificate}`);
    }
    return files;
  } catch (cause) {
    if (cause instanceof SettingsError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SettingsError(`tls: cannot use ${certificate} with ${key}: ${reason}`, { cause });
  }
}

function readTlsFile(setting: "certificate" | "key", path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    const reason = isMissing ? "there is no such file" : String(cause);
    throw new SettingsError(`tls.${setting} is ${JSON.stringify(path)}, which cannot be read: ${reason}`, {
      cause,
    });
  }
}

/** Changes when a file does; undefined without TLS and while a file is missing. */
function certificateVersion({ tls }: Settings): string | undefined {
  if (!tls) return undefined;
  try {
    return `${statSync(tls.certificate).mtimeMs} ${statSync(tls.key).mtimeMs}`;
  } catch {
    return undefined; // it is being replaced
  }
}
