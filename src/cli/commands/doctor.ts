import { join, resolve } from "node:path";
import { createTransport } from "#transport";
import { createClient } from "../../client/client.ts";
import { dockerCredentials } from "../../client/docker-credentials.ts";
import { parseRepositoryName } from "../../oci/names.ts";
import type { RegistryName } from "../../oci/references.ts";
import { type Context, defineCommand, parseTyped } from "../command.ts";
import { type ClientOptions, examine, type Facts } from "../doctor/checks.ts";
import { engineChecks, ownSettingsCheck } from "../doctor/engines.ts";
import { nameCheck, portCheck, routeCheck } from "../doctor/network.ts";
import { authorityCheck, certificateCheck, clockCheck, tlsCheck } from "../doctor/security.ts";
import { apiCheck, diskCheck, loginCheck, pullCheck, pushCheck } from "../doctor/use.ts";
import { parseRegistry } from "../locations/operands.ts";
import { loginOptions } from "../locations/registries.ts";
import { describeFindings } from "../output/doctor.ts";
import { writeJson } from "../output/json.ts";
import { hostOf } from "../reach/addresses.ts";
import { openMachine } from "../setup/machine.ts";

const checks = [
  ...[nameCheck, routeCheck, portCheck, tlsCheck, certificateCheck, authorityCheck, clockCheck],
  ...[apiCheck, loginCheck, pullCheck, pushCheck, diskCheck, ...engineChecks, ownSettingsCheck],
];

const operands = { registry: { value: "REGISTRY", completion: "registry" } } as const;
const flags = {
  repository: {
    type: "text",
    value: "NAME",
    summary: "the repository that should be pulled from and pushed to",
  },
  root: {
    type: "text",
    value: "FOLDER",
    summary: "look at the files below this folder",
    otherwise: "/",
    completion: "folder",
  },
  json: { type: "switch", summary: "print JSON" },
} as const;

/** `berth doctor`. */
export const doctor = defineCommand({
  operands,
  flags,
  description: `Tries, from this machine, everything that a pull and a push need: name, route, port, TLS, certificate, authority,
clock, API, login, rights, the server's disk, and what each installed engine would do. Says for each what is wrong, and
the command that mends it. Nothing is changed. Exit code 1 when something is wrong.`,
  examples: [
    { line: "berth doctor registry.local:5000", does: "why does it not work?" },
    { line: "berth doctor registry.local:5000 --repository team/app", does: "may I pull and push there?" },
  ],
  async run(context) {
    const { flags, stdout } = context;
    const transports: { close(): void }[] = [];
    const open = (options: ClientOptions) =>
      openClient(context, registry, options, (one) => transports.push(one));
    const { registry } = parseRegistry(context.operands.registry);
    try {
      const findings = await examine(checks, await factsFor(context, registry, open));
      if (flags.json) writeJson(stdout, { registry, findings });
      else stdout.write(describeFindings(findings, context));
      return findings.some(({ state }) => state === "wrong") ? 1 : 0;
    } finally {
      for (const transport of transports) transport.close();
    }
  },
});

type DoctorContext = Context<typeof flags, typeof operands>;

async function factsFor(context: DoctorContext, registry: RegistryName, open: Facts["open"]): Promise<Facts> {
  const { flags, cwd, env, signal } = context;
  if (flags.repository !== undefined) parseTyped(parseRepositoryName, flags.repository);
  const kept = await dockerCredentials(loginOptions(context))(registry);
  return {
    registry,
    ...hostOf(registry),
    machine: openMachine(resolve(cwd, flags.root ?? "/")),
    configFolder: env.XDG_CONFIG_HOME || (env.HOME ? join(env.HOME, ".config") : undefined),
    repository: flags.repository,
    isRepositoryGiven: flags.repository !== undefined,
    login: kept === undefined ? undefined : "username" in kept ? (kept.username ?? "") : "",
    open,
    signal,
  };
}

function openClient(
  context: DoctorContext,
  registry: RegistryName,
  { scheme, peer, authority }: ClientOptions,
  keep: (transport: { close(): void }) => void,
) {
  const transport = createTransport({
    proxies: false,
    addressOf: (host) => (host === peer.host ? peer.address : undefined),
    ...(authority === undefined ? {} : { authorities: [authority] }),
  });
  keep(transport);
  return createClient(registry, {
    transport,
    plainHttp: scheme === "http",
    credentials: dockerCredentials(loginOptions(context)),
    retries: { attempts: 1 },
  });
}
