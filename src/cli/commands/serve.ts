import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { RegistryError } from "../../oci/errors.ts";
import { type RunningServer, startServer } from "../../server/server.ts";
import { loadSettings, requireAccessDecision, type Settings, SettingsError } from "../../server/settings.ts";
import { startWorkers } from "../../server/workers.ts";
import { defineCommand, type Surroundings } from "../command.ts";

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
    config: { type: "text", value: "FILE", summary: "settings in YAML", completion: "file" },
    open: {
      type: "text",
      value: "pull|push",
      bare: "push",
      summary: "let everybody who reaches it pull, or pull and push; needed on an address that others reach",
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
    "log-level": {
      type: "text",
      value: "LEVEL",
      summary: "debug, info, warn, error or silent",
      otherwise: "info",
    },
  },
  description: "Every setting can also stand in the environment, as BERTH_LISTEN, BERTH_DATA and so on.",
  run: ({ flags, stdout, stderr, env }) => serveUntilStopped(flags, { stdout, stderr, env }),
});

type Streams = Pick<Surroundings, "stdout" | "stderr" | "env">;

const flagPaths: Readonly<Record<string, string>> = {
  open: "access.open",
  "tls-certificate": "tls.certificate",
  "tls-key": "tls.key",
};

async function serveUntilStopped(
  flags: Readonly<Record<string, string | undefined>>,
  { stdout, stderr, env }: Streams,
): Promise<number> {
  let settings: Settings;
  let server: RunningServer;
  try {
    const { config, ...rest } = flags;
    const given = Object.entries(rest).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    );
    const byPath = Object.fromEntries(given.map(([flag, value]) => [flagPaths[flag] ?? flag, value]));
    settings = loadSettings(byPath, env, config ?? env.BERTH_CONFIG);
    requireAccessDecision(settings);
    server = await start(settings);
  } catch (error) {
    stderr.write(`berth: ${explain(error)}\n`);
    return error instanceof SettingsError ? 2 : 1;
  }
  stdout.write(greeting(settings, server.address));
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
