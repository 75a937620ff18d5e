import type { Client } from "../client/client.ts";
import type { Credentials } from "../client/credentials.ts";
import { RegistryError } from "../oci/errors.ts";
import type { Surroundings } from "./command.ts";

type Streams = Pick<Surroundings, "stdin" | "stderr" | "signal">;

/**
 * Asks a person to log in with the registry's provider in a browser, here or on another machine, and waits for it.
 * @throws RegistryError UNAUTHORIZED when it was refused or took too long
 */
export async function logInByDevice(client: Client, { stderr, signal }: Streams): Promise<Credentials> {
  const login = await client.beginDeviceLogin({ signal });
  const { verificationUri, verificationUriComplete = verificationUri, userCode } = login;
  stderr.write(`Open ${verificationUriComplete}\nand check that it shows the code ${userCode}\n`);
  const deadline = Date.now() + login.expiresIn * 1000;
  let waitMs = login.interval * 1000;
  while (Date.now() < deadline) {
    await pause(waitMs, signal);
    const answer = await client.pollDeviceLogin(login.deviceCode, { signal });
    // "the interval MUST be increased by 5 seconds for this and all subsequent requests"
    if (answer === "slower") waitMs += 5000;
    if (typeof answer !== "string") return answer;
  }
  throw new RegistryError(
    "UNAUTHORIZED",
    `nobody confirmed the login to ${client.registry} in time: try again`,
  );
}

/** Exchanges the token of a build job, which comes on standard input, for one of the registry's. */
export async function logInAsWorkload(client: Client, { stdin, signal }: Streams): Promise<Credentials> {
  const token = (await new Response(stdin.stream()).text()).trim();
  const { username, password } = await client.exchangeWorkloadToken(token, { signal });
  return { username, password };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
