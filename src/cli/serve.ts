import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { RegistryError } from "../oci/errors.ts";
import { type RunningServer, startServer } from "../server/server.ts";
import { loadSettings, requireAccessDecision, type Settings, SettingsError } from "../server/settings.ts";
import { startWorkers } from "../server/workers.ts";

/** Flags of `berth serve`, as typed. */
export interface ServeFlags {
  readonly listen?: string | undefined;
  readonly data?: string | undefined;
  readonly config?: string | undefined;
  readonly open?: string | undefined;
  readonly workers?: string | undefined;
  readonly "tls-certificate"?: string | undefined;
  readonly "tls-key"?: string | undefined;
  readonly "log-level"?: string | undefined;
}

const flagPaths: Readonly<Record<string, string>> = {
  open: "access.open",
  "tls-certificate": "tls.certificate",
  "tls-key": "tls.key",
};

/** Runs the server until a signal ends it. Resolves to the exit code. */
export async function serve(flags: ServeFlags): Promise<number> {
  let settings: Settings;
  let server: RunningServer;
  try {
    const { config, ...rest } = flags;
    const given = Object.entries(rest).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    );
    const byPath = Object.fromEntries(given.map(([flag, value]) => [flagPaths[flag] ?? flag, value]));
    settings = loadSettings(byPath, process.env, config ?? process.env.BERTH_CONFIG);
    requireAccessDecision(settings);
    server = await start(settings);
  } catch (error) {
    process.stderr.write(`berth: ${explain(error)}\n`);
    return error instanceof SettingsError ? 2 : 1;
  }
  process.stdout.write(greeting(settings, server.address));
  await new Promise<void>((done) => {
    process.once("SIGTERM", done);
    process.once("SIGINT", done);
  });
  await server.stop();
  return 0;
}

function start(settings: Settings): Promise<RunningServer> {
  const workers = settings.workers === "auto" ? availableParallelism() : settings.workers;
  return workers === 1 ? startServer({ settings }) : startWorkers(settings, workers);
}

function explain(error: unknown): string {
  if (error instanceof SettingsError || error instanceof RegistryError) return error.message;
  if (error instanceof Error && "code" in error) {
    if (error.code === "EADDRINUSE")
      return "the port is taken: stop what listens there, or choose another with --listen";
    if (error.code === "EACCES") return `not allowed: ${error.message}`;
  }
  return error instanceof Error ? error.message : String(error);
}

function greeting(settings: Settings, address: string): string {
  const host = address.slice(address.indexOf("//") + 2);
  const who = settings.access.open === "pull" ? "may only pull" : "may pull and push";
  return `Berth listens on ${address}
  data    ${resolve(settings.data)}
  access  everybody who reaches this address ${who}

Try it:
  docker tag alpine ${host}/library/alpine
  docker push ${host}/library/alpine
  docker pull ${host}/library/alpine
`;
}
