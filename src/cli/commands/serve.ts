import type { X509Certificate } from "node:crypto";
import { availableParallelism } from "node:os";
import type { Announce } from "../../server/access/first-administrator.ts";
import { writeAddress } from "../../server/network/address-file.ts";
import { reachableAddresses } from "../../server/network/own-addresses.ts";
import { type RunningServer, startServer } from "../../server/server.ts";
import { loadSettings, type Settings, SettingsError } from "../../server/settings/settings.ts";
import { nameFault, namesOf, readServerCertificate } from "../../server/tls/certificate-files.ts";
import { fingerprintOf } from "../../server/tls/certificates.ts";
import type { Starting } from "../../server/tls/first-order.ts";
import { readKeptTls } from "../../server/tls/kept-tls.ts";
import { withKeptTls } from "../../server/tls/renewal.ts";
import { startWorkers } from "../../server/workers.ts";
import { defineCommand, type Surroundings } from "../command.ts";
import { Interruption } from "../failures.ts";
import { firstAccount, greeting, type StartedServer } from "../output/serve-greeting.ts";

/** `berth serve`. Settings come from flags over the environment over a file. */
export const serve = defineCommand({
  operands: {},
  flags: {
    listen: { type: "text", value: "ADDRESS:PORT", summary: "where to listen", otherwise: "127.0.0.1:5000" },
    data: {
      type: "text",
      value: "FOLDER",
      summary: "where everything is stored",
      otherwise: "./berth-data",
      completion: "folder",
    },
    config: {
      type: "text",
      value: "FILE",
      summary: "settings in YAML, also those that have no flag",
      completion: "file",
    },
    open: {
      type: "text",
      value: "pull|push|none",
      bare: "push",
      summary: "let everybody who reaches it pull, or pull and push, without an account",
    },
    workers: {
      type: "text",
      value: "N|auto",
      summary: "processes that share the port and the store",
      otherwise: "1",
    },
    "tls-certificate": {
      type: "text",
      value: "FILE",
      summary: "serve HTTPS with this certificate chain (PEM)",
      completion: "file",
    },
    "tls-key": { type: "text", value: "FILE", summary: "and this key (PEM)", completion: "file" },
    "tls-folder": {
      type: "text",
      value: "FOLDER",
      summary: "serve HTTPS with what berth setup server made there",
      otherwise: "the folder tls of the data, if it is there",
      completion: "folder",
    },
    mdns: {
      type: "text",
      value: "NAME.local",
      summary: "answer to this name on the local network (multicast DNS)",
    },
    "log-level": {
      type: "text",
      value: "LEVEL",
      summary: "debug, info, warn, error or silent",
      otherwise: "info",
    },
  },
  description:
    "These settings can also stand in the environment, as BERTH_LISTEN, BERTH_DATA and so on; more in a file.",
  run: ({ flags, ...surroundings }) => serveUntilStopped(flags, surroundings),
});

const flagPaths: Readonly<Record<string, string>> = {
  open: "access.open",
  "tls-certificate": "tls.certificate",
  "tls-key": "tls.key",
  "tls-folder": "tls.folder",
};

async function serveUntilStopped(
  flags: Readonly<Record<string, string | undefined>>,
  { stdout, stderr, env, signal }: Surroundings,
): Promise<number> {
  let settings: Settings;
  let server: RunningServer;
  const told = untilTold(signal); // before the start, which takes its time
  const starting = {
    warn: (message: string) => stderr.write(`berth: warning: ${message}\n`),
    signal: signalOf(told),
  };
  try {
    const { config, ...rest } = flags;
    const given = Object.entries(rest).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    );
    const byPath = Object.fromEntries(given.map(([flag, value]) => [flagPaths[flag] ?? flag, value]));
    settings = withKeptTls(loadSettings(byPath, env, config ?? env.BERTH_CONFIG));
    const announce: Announce = (first) =>
      void stdout.write(firstAccount(first, settings, certificateNamesOf(settings)));
    server = await start(settings, announce, starting);
  } catch (error) {
    if (starting.signal.aborted && error === starting.signal.reason) process.exit(0); // an order would keep it running
    stderr.write(`berth: ${explain(error)}\n`);
    return error instanceof SettingsError ? 2 : 1;
  }
  const forget = await writeAddress(settings.data, server.address).catch((error: unknown) => {
    stderr.write(`berth: berth healthcheck will not find this server: ${explain(error)}\n`);
    return undefined;
  });
  try {
    stdout.write(greeting(settings, await describe(settings, server)));
    await told;
  } finally {
    await forget?.();
    await server.stop();
  }
  return 0;
}

/** That nobody reads the output any more ends no server. */
function untilTold(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
    if (wasTold(signal)) resolve(); // while this command was loaded
  });
}

function wasTold({ reason }: AbortSignal): boolean {
  return reason instanceof Interruption && (reason.exitCode === 130 || reason.exitCode === 143);
}

function signalOf(told: Promise<void>): AbortSignal {
  const controller = new AbortController();
  void told.then(() => controller.abort());
  return controller.signal;
}

function start(settings: Settings, announce: Announce, starting: Starting): Promise<RunningServer> {
  const workers = settings.workers === "auto" ? availableParallelism() : settings.workers;
  return workers === 1
    ? startServer({ settings, announce, starting })
    : startWorkers(settings, workers, announce, starting);
}

function explain(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What the greeting says of a server. */
async function describe(settings: Settings, { address, access }: RunningServer): Promise<StartedServer> {
  const leaf = leafOf(settings);
  const publicUrl = settings["public-url"];
  return {
    ...{ address, access },
    certificateNames: certificateNamesOf(settings),
    authority: await authorityOf(settings),
    certificateFault:
      leaf && nameFault(leaf, publicUrl === undefined ? undefined : new URL(publicUrl).hostname),
    addresses: reachableAddresses(),
  };
}

function leafOf({ tls }: Settings): X509Certificate | undefined {
  return tls && readServerCertificate(tls).leaf;
}

function certificateNamesOf(settings: Settings): readonly string[] {
  const leaf = leafOf(settings);
  return leaf ? namesOf(leaf) : [];
}

async function authorityOf({ tls }: Settings): Promise<StartedServer["authority"]> {
  if (tls?.folder === undefined) return undefined;
  const { authority, asked } = await readKeptTls(tls.folder);
  if (authority.certificate === undefined) return undefined;
  return { asked, fingerprint: fingerprintOf(authority.certificate) };
}
