import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { reachableAddresses } from "../../../server/network/own-addresses.ts";
import { type LocalTls, setUpLocalTls } from "../../../server/tls/local-authority.ts";
import { parseTlsNames, type TlsNames } from "../../../server/tls/names.ts";
import { makeUsableFolder } from "../../../store/usable-folder.ts";
import { defineCommand, parseTyped, UsageError } from "../../command.ts";
import { writeJson } from "../../output/json.ts";
import { addressesOrBlank, clientCommand, serveCommand } from "../../output/server-commands.ts";

/** `berth setup server`. */
export const setupServer = defineCommand({
  operands: { names: { value: "NAME", optional: true, multiple: true } },
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
    add: { type: "switch", summary: "add the names to those of before, which they replace otherwise" },
    "new-authority": {
      type: "switch",
      summary: "make another authority, of which every client has to be told",
    },
    json: { type: "switch", summary: "print JSON" },
  },
  description: `Makes a certificate authority for the local network, and a certificate for the names and addresses that are given and those
that this machine has, which the running server renews by itself. Run again, it keeps the authority; without names, it keeps
those of before. The authority can vouch for servers alone: by name for private host names (.local, .lan, .internal and the
like) and those that it was made for, by address for any.`,
  examples: [
    { line: "berth setup server registry.local", does: "makes what HTTPS needs, and says what to run next" },
    {
      line: "berth setup server registry.local registry.lan 10.0.0.5",
      does: "for several names and an address",
    },
    { line: "berth setup server --add registry.lan", does: "for one more name" },
  ],
  async run({ flags, operands, stdout, env, cwd }) {
    const names = parseTyped(parseTlsNames, operands.names);
    const port = parsePort(flags.port ?? "5000");
    const data = flags.data ?? env.BERTH_DATA ?? "./berth-data";
    const folder = flags.out ?? join(data, "tls");
    if (flags.out === undefined && existsSync(resolve(cwd, data))) await makeUsableFolder(resolve(cwd, data));
    const made = await setUpLocalTls(resolve(cwd, folder), names, {
      adds: flags.add,
      isNew: flags["new-authority"],
    });
    const place = [
      ...(flags.out === undefined ? [] : ["--tls-folder", flags.out]),
      ...(data === "./berth-data" ? [] : ["--data", data]),
    ];
    const next = nextCommands(made, port, place);
    if (flags.json) writeJson(stdout, { ...made, ...made.names, folder: resolve(cwd, folder), ...next });
    else stdout.write(describe(made, folder, next));
    return 0;
  },
});

/** @throws UsageError */
function parsePort(text: string): string {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return String(port);
  throw new UsageError(`--port is ${text}: expected a port from 1 to 65535`);
}

interface Next {
  readonly serve: string;
  readonly client: string;
}

function nextCommands({ asked, fingerprint }: LocalTls, port: string, place: readonly string[]): Next {
  const [name] = asked.dns;
  const mdns = name?.endsWith(".local") ? name : undefined;
  const server = { asked, addresses: addressesOrBlank(reachableAddresses()), port, mdns };
  return { serve: serveCommand(server, place), client: clientCommand(server, fingerprint) };
}

function describe(made: LocalTls, folder: string, { serve, client }: Next): string {
  const { authority, certificate, names, dropped, ends, fingerprint } = made;
  const left = listOf(dropped);
  return `The authority was ${authority}, and the certificate ${certificate}, in ${folder}
  names        ${listOf(names)}
${left === "" ? "" : `  no longer    ${left}: berth setup server --add puts them back\n`}\
  valid until  ${ends.toISOString().slice(0, 10)}; the running server renews it before
  fingerprint  ${fingerprint}

Next, on this machine:
  ${serve}

Then on each client, as root:
  ${client}

Whoever reaches the server may then pull; to push, one logs in. Without --open=pull, one logs in to pull, too.
`;
}

function listOf({ dns, addresses }: TlsNames): string {
  return [...dns, ...addresses].join(", ");
}
