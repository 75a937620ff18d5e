import { resolve } from "node:path";
import { createTransport } from "#transport";
import { TransportError } from "../../client/transport.ts";
import { RegistryError } from "../../oci/errors.ts";
import { bytesOf } from "../../registry/streams.ts";
import { readAddress } from "../../server/network/address-file.ts";
import { loadSettings, type Settings, SettingsError } from "../../server/settings/settings.ts";
import { defineCommand, UsageError } from "../command.ts";
import { dataFlag } from "../data-folders.ts";
import { writeJson } from "../output/json.ts";

/** Most milliseconds until an answer has to be there. */
const patienceMs = 4000;

/** `berth healthcheck`. */
export const healthcheck = defineCommand({
  operands: {},
  flags: {
    ...dataFlag,
    config: { type: "text", value: "FILE", summary: "the server's settings", completion: "file" },
    json: { type: "switch", summary: "print JSON" },
  },
  description: `Asks the server of this machine that serves the data folder. Exit code 0 when it takes requests and its disk keeps
what is written, else 1. For containers without a shell; what watches over the network asks /readyz.`,
  async run({ flags, env, cwd, stdout, signal }) {
    const { data, config = env.BERTH_CONFIG } = flags;
    const settings = wanted(() => loadSettings(data === undefined ? {} : { data }, env, config));
    const address = await readAddress(resolve(cwd, settings.data));
    await requireReady(address, signal);
    if (flags.json) writeJson(stdout, { state: "ready", address });
    else stdout.write(`${address} is ready\n`);
    return 0;
  },
});

/** @throws UsageError for settings that are wrong */
function wanted(load: () => Settings): Settings {
  try {
    return load();
  } catch (error) {
    throw error instanceof SettingsError ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** @throws RegistryError UNAVAILABLE */
async function requireReady(address: string, signal: AbortSignal): Promise<void> {
  // Its certificate is for the name that others know it by, and it is this machine's own.
  const transport = createTransport({
    proxies: false,
    acceptAnyCertificate: true,
    connectTimeoutMs: patienceMs,
    answerTimeoutMs: patienceMs,
  });
  try {
    const url = new URL("/readyz", address);
    const { status, body } = await transport.send({ method: "GET", url, headers: {}, signal });
    const answer = new TextDecoder().decode(await bytesOf(body)).trim();
    if (status !== 200) throw new RegistryError("UNAVAILABLE", `${address} answers ${status}: ${answer}`);
  } catch (cause) {
    if (!(cause instanceof TransportError)) throw cause;
    const reason = cause.failure === "refused" ? "nothing listens there any more" : cause.message;
    throw new RegistryError("UNAVAILABLE", `${address} does not answer: ${reason}`, { cause });
  } finally {
    transport.close();
  }
}
