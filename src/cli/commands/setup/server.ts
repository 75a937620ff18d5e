import { join, resolve } from "node:path";
import { ownAddresses } from "../../../server/mdns.ts";
import { type LocalTls, setUpLocalTls } from "../../../server/tls/local-authority.ts";
import { parseTlsNames } from "../../../server/tls/names.ts";
import { defineCommand, parseTyped, UsageError } from "../../command.ts";
import { writeJson } from "../../output/json.ts";

/** `berth setup server`. */
export const setupServer = defineCommand({
  operands: { names: { value: "NAME", multiple: true } },
  flags: {
    data: {
      type: "text",
      value: "FOLDER",
      summary: "the server's data, in whose folder tls the files are made",
      otherwise: "./berth-data",
      completion: "folder",
    },
    out: { type: "text", value: "FOLDER", summary: "where the files are made instead", completion: "folder" },
    port: { type: "text", value: "PORT", summary: "where the server will listen", otherwise: "5000" },
    "new-authority": {
      type: "switch",
      summary: "make another authority, of which every client has to be told",
    },
    json: { type: "switch", summary: "print JSON" },
  },
  description: `Makes a certificate authority for the local network, and a certificate for the names and addresses of this server,
which the running server renews by itself. Run again, it keeps the authority and adds names. The authority can vouch for
private host names (.local, .lan, .internal and the like) and for the names given at first, and for no other names; addresses are not limited.`,
  examples: [
    { line: "berth setup server registry.local", does: "makes what HTTPS needs, and says what to run next" },
    {
      line: "berth setup server registry.local registry.lan 10.0.0.5",
      does: "for several names and an address",
    },
  ],
  async run({ flags, operands, stdout, env, cwd }) {
    const names = parseTyped(parseTlsNames, operands.names);
    const port = flags.port ?? "5000";
    if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
      throw new UsageError(`--port is ${port}: expected a port up to 65535`);
    const data = flags.data ?? env.BERTH_DATA ?? "./berth-data";
    const folder = flags.out ?? join(data, "tls");
    const made = await setUpLocalTls(resolve(cwd, folder), names, flags["new-authority"]);
    const name = names.dns[0] ?? names.addresses[0] ?? "localhost";
    const place =
      flags.out === undefined ? placeOf(data) : [`--tls-folder ${Bun.$.escape(flags.out)}`, ...placeOf(data)];
    const next = nextCommands({ name, port, place, fingerprint: made.fingerprint });
    if (flags.json) writeJson(stdout, { ...made, ...made.names, folder: resolve(cwd, folder), ...next });
    else stdout.write(describe(made, folder, next));
    return 0;
  },
});

function placeOf(data: string): string[] {
  return data === "./berth-data" ? [] : [`--data ${Bun.$.escape(data)}`];
}

interface Next {
  readonly serve: string;
  readonly client: string;
}

function nextCommands(options: {
  readonly name: string;
  readonly port: string;
  readonly place: readonly string[];
  readonly fingerprint: string;
}): Next {
  const { name, port, place, fingerprint } = options;
  const isLocal = name.endsWith(".local");
  const [address] = ownAddresses();
  const host = name.includes(":") ? `[${name}]` : name;
  const serve = ["berth serve", `--listen 0.0.0.0:${port}`, ...(isLocal ? [`--mdns ${name}`] : []), ...place];
  const where = isLocal || address === undefined || name === address ? [] : [`--address ${address}`];
  const client = ["berth setup client", `${host}:${port}`, ...where, `--fingerprint ${fingerprint}`];
  return { serve: serve.join(" "), client: client.join(" ") };
}

function describe(made: LocalTls, folder: string, { serve, client }: Next): string {
  const { authority, certificate, names, ends, fingerprint } = made;
  const day = ends.toISOString().slice(0, 10);
  return `The authority was ${authority}, and the certificate ${certificate}, in ${folder}
  names        ${[...names.dns, ...names.addresses].join(", ")}
  valid until  ${day}; the running server renews it before
  fingerprint  ${fingerprint}

Next, on this machine:
  ${serve}

Then on each client, as root:
  ${client}
`;
}
