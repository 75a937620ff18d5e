import type { CredentialSource, Credentials } from "../../client/credentials.ts";
import { dockerCredentials, type LoginPlace, storeLogin } from "../../client/docker-credentials.ts";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import { type Context, defineCommand, UsageError } from "../command.ts";
import { parseRegistry, type TypedRegistry } from "../locations/operands.ts";
import { loginOptions, registryFlags, withRemotes } from "../locations/registries.ts";
import { writeJson } from "../output/json.ts";
import { printError, printWarning } from "../output/messages.ts";
import { logInAsWorkload, logInByDevice } from "../provider-login.ts";

const operands = { server: { value: "SERVER", optional: true, completion: "registry" } } as const;
const flags = {
  username: { type: "text", short: "u", value: "NAME", summary: "who logs in; asked for if absent" },
  password: {
    type: "text",
    short: "p",
    value: "PASSWORD",
    summary: "better asked for: a command line is no secret",
  },
  "password-stdin": { type: "switch", summary: "read the password from standard input" },
  device: { type: "switch", summary: "log in with the registry's provider, in a browser" },
  "workload-stdin": {
    type: "switch",
    summary: "log in as a build job: read the token that its service gave it from standard input",
  },
  json: { type: "switch", summary: "print the result as JSON" },
  ...registryFlags,
} as const;

type LoginContext = Context<typeof flags, typeof operands>;

/** `berth login`. */
export const login = defineCommand({
  operands,
  flags,
  description: `SERVER is docker.io if absent. The login is verified, then kept where docker keeps it, so that docker, podman and
skopeo have it too: in its config.json, or with the credential helper named there.`,
  examples: [
    { line: "berth login registry.example.com", does: "asks for user name and password" },
    {
      line: "berth login --device registry.example.com",
      does: "logs in with a browser, as the registry's provider says",
    },
    { line: "berth login -u ci --password-stdin registry.example.com < password.txt", does: "asks nothing" },
  ],
  async run(context) {
    const { flags, operands, stdout } = context;
    const server = parseRegistry(operands.server);
    const { registry } = server;
    const credentials = (await askProvider(context, server)) ?? (await askCredentials(context, server));
    const kept = credentials
      ? await logIn(context, server, credentials)
      : await useKeptLogin(context, server);
    const { place, isVerified } = kept;
    if (!isVerified) {
      printWarning(context, `${registry} did not ask who logs in, so that nothing was verified`);
    }
    if (place && !place.helper) {
      printWarning(
        context,
        `the login is kept unencrypted in ${place.file}: a credential helper, named there as credsStore, keeps it safer`,
      );
    }
    if (flags.json) writeJson(stdout, { registry, isVerified, ...place });
    else stdout.write("Login Succeeded\n");
    return 0;
  },
});

interface LoggedIn {
  readonly isVerified: boolean;
  /** Where the login is kept now; absent if it was kept before. */
  readonly place?: LoginPlace;
}

/** The login that somebody else vouches for, when the flags ask for that. */
async function askProvider(context: LoginContext, server: TypedRegistry): Promise<Credentials | undefined> {
  const { device, "workload-stdin": workload, username, password, "password-stdin": stdin } = context.flags;
  if (!device && !workload) return undefined;
  if ((device && workload) || username !== undefined || password !== undefined || stdin) {
    throw new UsageError("--device and --workload-stdin each stand alone, without user name and password");
  }
  return withRemotes(context, ({ client }) => {
    const { registry, ...typed } = server;
    const nobody = client(registry, { ...typed, credentials: () => undefined });
    return device ? logInByDevice(nobody, context) : logInAsWorkload(nobody, context);
  });
}

/** What the flags or a person say; `undefined` when nothing was said and there may be a login already. */
async function askCredentials(
  context: LoginContext,
  server: TypedRegistry,
): Promise<Credentials | undefined> {
  const { flags, stdin } = context;
  if (flags.password !== undefined) {
    if (flags["password-stdin"]) throw new UsageError("--password and --password-stdin exclude each other");
    printWarning(context, "--password can be seen by others on this machine: use --password-stdin");
  }
  if (flags["password-stdin"]) {
    if (!flags.username) throw new UsageError("--password-stdin needs --username");
    const text = await new Response(stdin.stream()).text();
    return pair(flags.username, text.replace(/\r?\n$/, ""));
  }
  const isSilent = flags.username === undefined && flags.password === undefined;
  if (isSilent && (await dockerCredentials(loginOptions(context))(server.registry))) return undefined;
  return promptCredentials(context, server);
}

async function promptCredentials(context: LoginContext, { registry }: TypedRegistry): Promise<Credentials> {
  const { flags, stdin, signal } = context;
  const isComplete = flags.username !== undefined && flags.password !== undefined;
  if (!isComplete && !stdin.isTerminal) {
    throw new UsageError(
      `nobody can be asked for the login to ${registry}, as standard input is no terminal: use --username and ` +
        "--password-stdin",
    );
  }
  const ask = async (prompt: string, echo: boolean) => (await stdin.readLine({ prompt, echo, signal })) ?? "";
  const username = flags.username ?? (await ask("Username: ", true));
  return pair(username, flags.password ?? (await ask("Password: ", false)));
}

function pair(username: string, password: string): Credentials {
  if (username === "") throw new UsageError("the user name is empty");
  if (password === "") throw new UsageError("the password is empty");
  return { username, password };
}

/** Verifies a login and keeps it; where the registry gives a token that stands for the password, that instead. */
async function logIn(
  context: LoginContext,
  server: TypedRegistry,
  credentials: Credentials,
): Promise<LoggedIn> {
  let refreshToken: string | undefined;
  const isVerified = await verify(
    context,
    server,
    () => credentials,
    (token) => {
      refreshToken = token;
    },
  );
  const username = "username" in credentials ? credentials.username : undefined;
  const kept = refreshToken ? { refreshToken, ...(username ? { username } : {}) } : credentials;
  return { isVerified, place: await storeLogin(server.registry, kept, loginOptions(context)) };
}

/** As docker: a login that is kept is tried before anybody is asked. */
async function useKeptLogin(context: LoginContext, server: TypedRegistry): Promise<LoggedIn> {
  const { stdin, stderr } = context;
  stderr.write("Authenticating with existing credentials...\n");
  try {
    return { isVerified: await verify(context, server, dockerCredentials(loginOptions(context))) };
  } catch (error) {
    if (!stdin.isTerminal || context.signal.aborted) throw error;
    printError(context, error instanceof Error ? error.message : String(error));
    return logIn(context, server, await promptCredentials(context, server));
  }
}

/** Resolves to whether the registry looked at the credentials. */
function verify(
  context: LoginContext,
  { registry, ...typed }: TypedRegistry,
  source: CredentialSource,
  onRefreshToken?: (token: string) => void,
): Promise<boolean> {
  let isAsked = false;
  const credentials: CredentialSource = (name) => {
    isAsked = true;
    return source(name);
  };
  return withRemotes(context, async ({ client }) => {
    const options = { ...typed, credentials, ...(onRefreshToken ? { onRefreshToken } : {}) };
    try {
      await client(registry, options).ping({ signal: context.signal });
    } catch (cause) {
      if (!isAsked || !isRegistryError(cause, "UNAUTHORIZED")) throw cause;
      const refused = `cannot log in to ${registry}: it refused the user name or password (401): check both`;
      throw new RegistryError("UNAUTHORIZED", refused, { cause });
    }
    return isAsked;
  });
}
