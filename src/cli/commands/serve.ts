import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { RegistryError } from "../../oci/errors.ts";
import { fromThisMachine, writeAddress } from "../../server/address-file.ts";
import type { Announce, FirstAdministrator } from "../../server/first-administrator.ts";
import { type RunningServer, startServer } from "../../server/server.ts";
import { isLoopback, loadSettings, type Settings, SettingsError } from "../../server/settings.ts";
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
    "log-level": {
      type: "text",
      value: "LEVEL",
      summary: "debug, info, warn, error or silent",
      otherwise: "info",
    },
  },
  description:
    "These settings can also stand in the environment, as BERTH_LISTEN, BERTH_DATA and so on; more in a file.",
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
  const told = untilTold(); // before the start: as a container's first process, it would not even be ended by a signal
  try {
    const { config, ...rest } = flags;
    const given = Object.entries(rest).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    );
    const byPath = Object.fromEntries(given.map(([flag, value]) => [flagPaths[flag] ?? flag, value]));
    settings = loadSettings(byPath, env, config ?? env.BERTH_CONFIG);
    server = await start(settings, (first) => stdout.write(firstAccount(first, settings)));
  } catch (error) {
    stderr.write(`berth: ${explain(error)}\n`);
    return error instanceof SettingsError ? 2 : 1;
  }
  const forget = await writeAddress(settings.data, server.address).catch((error: unknown) => {
    stderr.write(`berth: berth healthcheck will not find this server: ${explain(error)}\n`);
    return undefined;
  });
  stdout.write(greeting(settings, server));
  await told;
  await forget?.();
  await server.stop();
  return 0;
}

function untilTold(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
}

function start(settings: Settings, announce: Announce): Promise<RunningServer> {
  const workers = settings.workers === "auto" ? availableParallelism() : settings.workers;
  return workers === 1 ? startServer({ settings, announce }) : startWorkers(settings, workers, announce);
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

function greeting(settings: Settings, server: RunningServer): string {
  const host = hostOf(settings, server.address);
  const login = server.access === "accounts" ? `  docker login ${host}\n` : "";
  return `Berth listens on ${server.address}
  data    ${resolve(settings.data)}
  access  ${accessLine(settings, server)}
${plainHttpNote(settings)}
Try it:
${login}  docker tag alpine ${host}/library/alpine
  docker push ${host}/library/alpine
  docker pull ${host}/library/alpine
`;
}

/** What references begin with. Docker takes plain HTTP from 127.0.0.1 and [::1], not from the address of them all. */
function hostOf(settings: Settings, address: string): string {
  if (settings["public-url"] !== undefined) return new URL(settings["public-url"]).host;
  const reached = fromThisMachine(address);
  return reached.slice(reached.indexOf("//") + 2);
}

function plainHttpNote(settings: Settings): string {
  if (settings.tls || settings["public-url"] !== undefined || isLoopback(settings.listen)) return "";
  return "  note    docker on other machines wants HTTPS: see --tls-certificate, or its setting insecure-registries\n";
}

function accessLine(settings: Settings, { access }: RunningServer): string {
  if (access === "open")
    return `everybody who reaches this address ${settings.access.open === "pull" ? "may only pull" : "may pull and push"}`;
  return settings.access.open === "pull"
    ? "everybody may pull; to push, an account is needed"
    : "accounts only; --open=pull or --open=push would let everybody in";
}

/** Shown this once: only a hash of the password is kept. */
function firstAccount({ name, password }: FirstAdministrator, settings: Settings): string {
  const secret = password === undefined ? "the password that was given" : `the password ${password}`;
  return `The first account is ${name} with ${secret}.
${password === undefined ? "" : "It is not shown again. "}Change it with: berth user passwd ${hostOf(settings, `//${settings.listen}`)} ${name}

`;
}
