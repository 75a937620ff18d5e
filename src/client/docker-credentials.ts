import type { CredentialSource, Credentials } from "./credentials.ts";
import {
  type ConfigFile,
  configFiles,
  readConfig,
  updateConfig,
  writtenFile,
} from "./docker/config-files.ts";
import { credentialsOf, entryOf, findEntry, isLogin, usernameOf } from "./docker/entries.ts";
import {
  eraseFromHelper,
  getFromHelper,
  helperFor,
  listOfHelper,
  ownHelperFor,
  storeInHelper,
} from "./docker/helpers.ts";
import { helperKey, isKeyOf, keysFor, registryOfKey } from "./docker/keys.ts";

/** Where logins are looked for. */
export interface DockerLoginOptions {
  /**
   * Names the files: `REGISTRY_AUTH_FILE`, `DOCKER_CONFIG`, `XDG_RUNTIME_DIR`, `XDG_CONFIG_HOME`; and has the `PATH` of
   * credential helpers. The process's if absent.
   */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The user's own folder; that of the system if absent. */
  readonly homeFolder?: string;
}

/** Options of {@link dockerCredentials}. */
export interface DockerCredentialOptions extends DockerLoginOptions {
  /** The repository that is worked with: a login for it, or for what it is below, goes before one for its registry. */
  readonly repository?: string;
}

/** Where a login is kept. */
export interface LoginPlace {
  /** The path of the file that has it, or that names the helper. */
  readonly file: string;
  /** The credential helper that has it, without `docker-credential-`; absent when the file itself does. */
  readonly helper?: string;
}

/** A login that is kept somewhere. */
export interface DockerLogin extends LoginPlace {
  /** As a client is given it; of a login for a part of a registry with that path, such as `quay.io/team`. */
  readonly registry: string;
  /** Absent where only a token is kept. */
  readonly username?: string;
}

/** What came of {@link eraseLogin}. */
export interface ErasedLogin {
  /** Where logins were, and are no more; empty if there was none. */
  readonly erased: readonly LoginPlace[];
  /** Where others remain, that belong to other programs, such as podman. */
  readonly remaining: readonly LoginPlace[];
}

/**
 * Finds what docker, podman or skopeo have stored of logins: in the file of `REGISTRY_AUTH_FILE`, if that is set, or
 * else in docker's `config.json` and then in the `containers/auth.json` of podman and skopeo; in the files themselves
 * or in the credential helpers that they name. For Node and Bun.
 *
 * The source rejects with UNSUPPORTED when a file cannot be read or a helper cannot be run.
 */
export function dockerCredentials(options: DockerCredentialOptions = {}): CredentialSource {
  return async (registry) => {
    for (const file of configFiles(options)) {
      const found = await findIn(file, registry, options);
      if (found) return found;
    }
    return undefined;
  };
}

async function findIn(
  file: ConfigFile,
  registry: string,
  options: DockerCredentialOptions,
): Promise<Credentials | undefined> {
  const config = await readConfig(file);
  for (const key of keysFor(registry, options.repository)) {
    const helper = ownHelperFor(config, key);
    const kept = helper && (await getFromHelper({ name: helper, file: file.path }, helperKey(key), options));
    if (kept) return kept;
    const [name, entry] = findEntry(config, key) ?? [];
    const found = name !== undefined && entry && credentialsOf(entry, { file: file.path, key: name });
    if (found) return found;
  }
  if (!config.credsStore) return undefined;
  return getFromHelper({ name: config.credsStore, file: file.path }, helperKey(registry), options);
}

/**
 * Keeps a login as docker does: with the credential helper that docker's `config.json` (or the file of
 * `REGISTRY_AUTH_FILE`) names for the registry, or else in that file, which only its owner can read. All else in the
 * file stays.
 * @throws RegistryError UNSUPPORTED when the file cannot be read or written, or the helper cannot be run
 */
export async function storeLogin(
  registry: string,
  credentials: Credentials,
  options: DockerLoginOptions = {},
): Promise<LoginPlace> {
  const file = writtenFile(options);
  const helper = helperFor(await readConfig(file), registry);
  if (helper)
    await storeInHelper({ name: helper, file: file.path }, helperKey(registry), credentials, options);
  const key = file.kind === "docker" ? helperKey(registry) : registry;
  await updateConfig(file, (config) => ({
    ...config,
    // Docker notes an empty entry for what a helper has, by which others see that there is one.
    auths: { ...config.auths, [key]: helper ? {} : entryOf(credentials) },
  }));
  return { file: file.path, ...(helper ? { helper } : {}) };
}

/**
 * Erases the logins for a registry from where {@link storeLogin} keeps them.
 * @throws RegistryError UNSUPPORTED as storeLogin
 */
export async function eraseLogin(registry: string, options: DockerLoginOptions = {}): Promise<ErasedLogin> {
  const file = writtenFile(options);
  const erased: LoginPlace[] = [];
  const config = await readConfig(file);
  const name = helperFor(config, registry);
  if (name) {
    const helper = { name, file: file.path };
    if (await getFromHelper(helper, helperKey(registry), options)) {
      await eraseFromHelper(helper, helperKey(registry), options);
      erased.push({ file: file.path, helper: name });
    }
  }
  const entries = Object.entries(config.auths).filter(([key]) => isKeyOf(key, registry));
  if (entries.some(([, entry]) => isLogin(entry))) erased.push({ file: file.path });
  if (entries.length > 0) {
    await updateConfig(file, (raw) => ({
      ...raw,
      auths: Object.fromEntries(Object.entries(raw.auths ?? {}).filter(([key]) => !isKeyOf(key, registry))),
    }));
  }
  const others = await listLogins(options);
  const remaining = others.filter((login) => isKeyOf(login.registry, registry));
  return {
    erased,
    remaining: remaining.map(({ file, helper }) => ({ file, ...(helper ? { helper } : {}) })),
  };
}

/** All logins that are kept, in the order in which they are looked for. @throws RegistryError UNSUPPORTED */
export async function listLogins(options: DockerLoginOptions = {}): Promise<readonly DockerLogin[]> {
  const logins: DockerLogin[] = [];
  for (const file of configFiles(options)) {
    const { auths, credHelpers, credsStore } = await readConfig(file);
    for (const [key, entry] of Object.entries(auths)) {
      if (!isLogin(entry)) continue;
      const username = usernameOf(entry);
      logins.push({ registry: registryOfKey(key), file: file.path, ...(username ? { username } : {}) });
    }
    for (const name of new Set([...Object.values(credHelpers), ...(credsStore ? [credsStore] : [])])) {
      const listed = await listOfHelper({ name, file: file.path }, options);
      for (const [key, username] of Object.entries(listed)) {
        const isNamed = username !== "" && username !== "<token>";
        const login = { registry: registryOfKey(key), file: file.path, helper: name };
        logins.push(isNamed ? { ...login, username } : login);
      }
    }
  }
  return logins;
}
