import { spawn } from "node:child_process";
import { printable, quote, RegistryError } from "../../oci/errors.ts";
import type { Credentials } from "../credentials.ts";
import type { DockerConfig } from "./config-files.ts";
import { isKeyOf } from "./keys.ts";

/** A program that keeps logins. https://github.com/docker/docker-credential-helpers#development */
export interface Helper {
  /** Without `docker-credential-`. */
  readonly name: string;
  /** The file that names it, for messages. */
  readonly file: string;
}

interface HelperOptions {
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the secret of an identity token is stored with. */
const tokenUser = "<token>";
const notFound = /credentials not found/i;

/** The name of the helper that keeps a registry's login, if it is not the file itself. */
export function helperFor(config: DockerConfig, registry: string): string | undefined {
  return ownHelperFor(config, registry) ?? config.credsStore;
}

/** The name of the helper for this registry, or part of one, alone. */
export function ownHelperFor({ credHelpers }: DockerConfig, wanted: string): string | undefined {
  return Object.entries(credHelpers).find(([key]) => isKeyOf(key, wanted))?.[1];
}

/** @throws RegistryError UNSUPPORTED when the helper fails, but not when it has none */
export async function getFromHelper(
  helper: Helper,
  key: string,
  options: HelperOptions,
): Promise<Credentials | undefined> {
  const answer = await run(helper, "get", key, options);
  if (answer.exitCode !== 0) {
    if (notFound.test(answer.stdout) || notFound.test(answer.stderr)) return undefined;
    throw failed(helper, "get", key, answer);
  }
  const { Username: username, Secret: secret } = fieldsOf(helper, answer.stdout);
  if (typeof username !== "string" || typeof secret !== "string" || secret === "") return undefined;
  return username === tokenUser ? { refreshToken: secret } : { username, password: secret };
}

/** @throws RegistryError UNSUPPORTED when the helper fails */
export async function storeInHelper(
  helper: Helper,
  key: string,
  credentials: Credentials,
  options: HelperOptions,
): Promise<void> {
  if ("registryToken" in credentials) {
    throw new RegistryError(
      "UNSUPPORTED",
      `the credential helper ${quote(helper.name)} keeps no registry tokens`,
    );
  }
  const pair =
    "password" in credentials
      ? { Username: credentials.username, Secret: credentials.password }
      : { Username: tokenUser, Secret: credentials.refreshToken };
  // By its standard input, which no other process sees.
  const answer = await run(helper, "store", JSON.stringify({ ServerURL: key, ...pair }), options);
  if (answer.exitCode !== 0) throw failed(helper, "store", key, answer);
}

/** @throws RegistryError UNSUPPORTED when the helper fails */
export async function eraseFromHelper(helper: Helper, key: string, options: HelperOptions): Promise<void> {
  const answer = await run(helper, "erase", key, options);
  if (answer.exitCode !== 0) throw failed(helper, "erase", key, answer);
}

/** User names by key. @throws RegistryError UNSUPPORTED when the helper fails */
export async function listOfHelper(
  helper: Helper,
  options: HelperOptions,
): Promise<Readonly<Record<string, string>>> {
  const answer = await run(helper, "list", "", options);
  if (answer.exitCode !== 0) throw failed(helper, "list", "all registries", answer);
  const fields = Object.entries(fieldsOf(helper, answer.stdout));
  return Object.fromEntries(fields.map(([key, user]) => [key, typeof user === "string" ? user : ""]));
}

function run(helper: Helper, action: string, input: string, { environment }: HelperOptions): Promise<Answer> {
  if (!/^[\w.-]+$/.test(helper.name)) {
    throw new RegistryError(
      "UNSUPPORTED",
      `${helper.file} names the credential helper ${quote(helper.name)}: expected the end of a program's name, such as "pass"`,
    );
  }
  const child = spawn(`docker-credential-${helper.name}`, [action], {
    stdio: ["pipe", "pipe", "pipe"],
    ...(environment ? { env: { ...environment } } : {}),
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin.on("error", () => {}); // it may end without reading: its exit code says more
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => reject(notRun(helper, cause)));
    child.once("close", (code) => resolve({ exitCode: code ?? -1, stdout, stderr }));
    child.stdin.end(input);
  });
}

function notRun({ name, file }: Helper, cause: Error): RegistryError {
  const isMissing = "code" in cause && cause.code === "ENOENT";
  const found = isMissing ? "it is not installed" : cause.message;
  return new RegistryError(
    "UNSUPPORTED",
    `cannot run the credential helper docker-credential-${name} that ${file} names: ${found}; install it, or take it out of that file`,
    { cause },
  );
}

// What it says on standard output is not quoted when it may have a secret: after `get`, only what is no JSON.
function failed({ name }: Helper, action: string, key: string, answer: Answer): RegistryError {
  const said = (answer.stderr.trim() || answer.stdout.trim()).slice(0, 500);
  const found = said && !said.includes("{") ? `: ${printable(said)}` : "";
  return new RegistryError(
    "UNSUPPORTED",
    `the credential helper docker-credential-${name} could not ${action} the login for ${key}: exit code ${answer.exitCode}${found}`,
  );
}

function fieldsOf({ name }: Helper, stdout: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(stdout);
    if (typeof value === "object" && value !== null) return { ...value };
  } catch {
    // told below
  }
  throw new RegistryError(
    "UNSUPPORTED",
    `the credential helper docker-credential-${name} did not answer in JSON`,
  );
}
