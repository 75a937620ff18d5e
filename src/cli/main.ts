import { parseArgs } from "node:util";
import { serve } from "./serve.ts";

const help = `Berth: a registry for container images and all OCI artifacts

Usage: berth serve [options]

Options of serve:
  --listen ADDRESS:PORT   where to listen (127.0.0.1:5000)
  --data FOLDER           where everything is stored (./berth-data)
  --config FILE           settings in YAML
  --open[=pull|push]      lets everybody who reaches it pull, or pull and push (push);
                          needed on an address that other machines reach
  --workers N|auto        processes that share the port and the store (1)
  --tls-certificate FILE  serve HTTPS with this certificate chain (PEM)
  --tls-key FILE          and this key (PEM)
  --log-level LEVEL       debug, info, warn, error or silent (info)

  berth --help, berth --version

Every setting can also stand in the environment, as BERTH_LISTEN, BERTH_DATA and so on.
`;

/** Runs one command. Resolves to its exit code: 0 done, 1 failed, 2 wrong usage. */
async function main(args: string[]): Promise<number> {
  const [command, ...rest] = args;
  if (command === undefined || command === "--help" || command === "-h" || command === "help") {
    process.stdout.write(help);
    return command === undefined ? 2 : 0;
  }
  if (command === "--version") {
    const { default: manifest } = await import("../../package.json", { with: { type: "json" } });
    process.stdout.write(`berth ${manifest.version}\n`);
    return 0;
  }
  if (command !== "serve") return misused(`there is no command ${JSON.stringify(command)}`);
  try {
    const { values } = parseArgs({
      args: rest.map((arg) => (arg === "--open" ? "--open=push" : arg)),
      options: serveFlags,
    });
    if (values.help) {
      process.stdout.write(help);
      return 0;
    }
    return await serve(values);
  } catch (error) {
    if (error instanceof TypeError && "code" in error) return misused(error.message);
    throw error;
  }
}

function misused(reason: string): number {
  process.stderr.write(`berth: ${reason}\nSee berth --help\n`);
  return 2;
}

const text = { type: "string" } as const;
const serveFlags = {
  listen: text,
  data: text,
  config: text,
  open: text,
  workers: text,
  "tls-certificate": text,
  "tls-key": text,
  "log-level": text,
  help: { type: "boolean", short: "h" },
} as const;

process.exitCode = await main(process.argv.slice(2));
