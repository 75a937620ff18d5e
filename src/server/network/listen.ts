import { statSync } from "node:fs";
import { type Connection, idleSeconds } from "../context.ts";
import type { Log } from "../log.ts";
import { emptyResponse } from "../responses.ts";
import type { Settings } from "../settings/settings.ts";
import { type CertificateFiles, readServerCertificate } from "../tls/certificate-files.ts";
import { explainListenFailure } from "./listen-faults.ts";

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
/** After how long without a request a listener may end that another took the place of, and when it does in any case. */
const quietMs = 500;
const longestOverlapMs = 30_000;

/**
 * Listens; with TLS, follows changes of the certificate files, looking at them every `checkMs`. With TLS it takes no notice
 * of who else has the port.
 * @throws SettingsError; RegistryError UNAVAILABLE
 */
export function listen(options: ListenOptions, checkMs = certificateCheckMs): Listener {
  const { settings, log } = options;
  let seen = certificateVersion(settings); // before it is read: a change in between is taken later
  let current = open(options, portOf(settings));
  const port = current.server.port ?? portOf(settings);
  /** Those that another took the place of: they still listen, or have requests under way. */
  let former: Opened[] = [];
  let refused: string | undefined;
  const timer = setInterval(() => {
    const version = certificateVersion(settings);
    if (version === seen || version === undefined) return;
    former = former.filter(({ server, listens }) => listens() || server.pendingRequests > 0);
    try {
      // Bun's reload() ignores new certificates: a new listener takes over, the old one finishes what it has.
      const next = open(options, port);
      former.push(current);
      void endWhenQuiet(current).then(() =>
        log.info({ certificate: settings.tls?.certificate }, "took the new certificate"),
      );
      current = next;
      seen = version;
    } catch (error) {
      // Tried again, as one that is not valid yet will be; said once.
      if (version !== refused)
        log.error({ err: error }, "the new certificate cannot be used, the old one stays");
      refused = version;
    }
  }, checkMs);
  timer.unref();
  if (!settings.tls) clearInterval(timer);
  const { hostname } = current.server;
  const host = hostname?.includes(":") ? `[${hostname}]` : hostname;
  return {
    address: `${settings.tls ? "https" : "http"}://${host}:${port}`,
    async stop(limitMs) {
      clearInterval(timer);
      const deadline = Date.now() + limitMs;
      const all = [current, ...former];
      for (const { end } of all) end();
      const areBusy = (): boolean => all.some(({ server }) => server.pendingRequests > 0);
      while (areBusy() && Date.now() < deadline) await Bun.sleep(pollMs);
      await Promise.all(all.map(({ server }) => server.stop(true)));
    },
  };
}

/**
 * Ends a listener when nobody seems to be making a connection to it: Bun cuts those on which no request has come yet.
 * Resolves when it has ended, whoever ended it.
 */
async function endWhenQuiet({ quietSinceMs, listens, end }: Opened): Promise<void> {
  const deadline = performance.now() + longestOverlapMs;
  while (listens() && performance.now() - quietSinceMs() < quietMs && performance.now() < deadline)
    await Bun.sleep(pollMs);
  end();
}

/**
 * Looks at what would keep a server from listening, before anything is begun: a certificate that nobody here renews, and
 * something that listens on the port, which a shared listener would not notice.
 * @returns the port, a free one for 0
 * @throws SettingsError; RegistryError UNAVAILABLE
 */
export function requireListening(settings: Settings): number {
  const { tls } = settings;
  if (tls && tls.folder === undefined && !tls.acme) readServerCertificate(tls);
  const probe = serve({ ...where(settings, portOf(settings)), fetch: () => emptyResponse(503, {}) });
  const port = probe.port ?? portOf(settings);
  probe.stop(true);
  return port;
}

function serve(options: Bun.Serve.Options<undefined> & { readonly hostname: string; readonly port: number }) {
  try {
    return Bun.serve(options);
  } catch (error) {
    throw explainListenFailure(error, options.hostname, options.port);
  }
}

/** A listener, and what is known of it. */
interface Opened {
  readonly server: Bun.Server<undefined>;
  /** When the last request came; when it was opened, before there was one. */
  quietSinceMs(): number;
  listens(): boolean;
  /** Takes no new connections. */
  end(): void;
}

function open({ settings, shared, handle, log }: ListenOptions, port: number): Opened {
  let lastMs = performance.now();
  let isListening = true;
  const server = serve({
    ...where(settings, port),
    reusePort: shared || settings.tls !== undefined,
    development: false,
    idleTimeout: idleSeconds,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    ...(settings.tls ? { tls: readCertificate(settings.tls) } : {}),
    fetch(request, connections) {
      lastMs = performance.now();
      return handle(request, connections);
    },
    error(error) {
      log.error({ err: error }, "failed outside of a request");
      return emptyResponse(500, {});
    },
  });
  return {
    server,
    quietSinceMs: () => lastMs,
    listens: () => isListening,
    end() {
      if (isListening) server.stop(false); // its promise does not wait for the bodies of requests
      isListening = false;
    },
  };
}

function where({ listen: text }: Settings, port: number) {
  return { hostname: text.slice(0, text.lastIndexOf(":")).replace(/^\[|\]$/g, ""), port };
}

function portOf({ listen: text }: Settings): number {
  return Number(text.slice(text.lastIndexOf(":") + 1));
}

/** @throws SettingsError */
function readCertificate(files: CertificateFiles) {
  const { cert, key } = readServerCertificate(files);
  return { cert, key };
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
