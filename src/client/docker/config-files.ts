import { randomUUID } from "node:crypto";
import { chown, mkdir, open, readFile, readlink, realpath, rename, stat, unlink } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { RegistryError } from "../../oci/errors.ts";
import type { AuthEntry } from "./entries.ts";

/** A file that may have logins. */
export interface ConfigFile {
  readonly path: string;
  /** Whose it is: docker and podman write different keys for Docker Hub. */
  readonly kind: "docker" | "containers";
}

/** What concerns logins in such a file. */
export interface DockerConfig {
  readonly auths: Readonly<Record<string, AuthEntry>>;
  /** Names of helpers by registry. */
  readonly credHelpers: Readonly<Record<string, string>>;
  /** The helper for all others. */
  readonly credsStore?: string;
}

interface Places {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly homeFolder?: string;
}

/** The contents of a file, with all that concerns others. */
type RawConfig = Readonly<Record<string, unknown>> & { readonly auths?: Readonly<Record<string, AuthEntry>> };

/** The files in which a login may be, in the order in which they are asked. */
export function configFiles(places: Places): readonly ConfigFile[] {
  const { environment = process.env, homeFolder = homedir() } = places;
  const first = writtenFile(places);
  if (first.kind === "containers") return [first];
  const configHome = environment.XDG_CONFIG_HOME || join(homeFolder, ".config");
  const folders = [environment.XDG_RUNTIME_DIR, configHome].filter((folder) => folder !== undefined);
  const others = folders
    .filter((folder) => folder !== "")
    .map((folder) => ({ path: join(folder, "containers", "auth.json"), kind: "containers" as const }));
  return [first, ...others];
}

/** The file that logins are written to. */
export function writtenFile({ environment = process.env, homeFolder = homedir() }: Places): ConfigFile {
  const own = environment.REGISTRY_AUTH_FILE;
  if (own) return { path: own, kind: "containers" };
  const folder = environment.DOCKER_CONFIG || join(homeFolder, ".docker");
  return { path: join(folder, "config.json"), kind: "docker" };
}

/** Reads a file; an empty configuration when it is not there. @throws RegistryError UNSUPPORTED */
export async function readConfig(file: ConfigFile): Promise<DockerConfig> {
  const { value } = await readRaw(file.path);
  const { auths, credHelpers, credsStore } = value;
  return {
    auths: recordOf(auths, (entry) => (typeof entry === "object" && entry !== null ? entry : undefined)),
    credHelpers: recordOf(credHelpers, (name) => (typeof name === "string" && name ? name : undefined)),
    ...(typeof credsStore === "string" && credsStore ? { credsStore } : {}),
  };
}

function recordOf<T>(value: unknown, pick: (item: unknown) => T | undefined): Record<string, T> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => {
      const picked = pick(item);
      return picked === undefined ? [] : [[key, picked]];
    }),
  );
}

/**
 * Writes a file anew, as a whole or not at all, also one that a symbolic link leads to; only its owner can read it then.
 * @throws RegistryError UNSUPPORTED when it cannot be read or written
 */
export async function updateConfig(file: ConfigFile, edit: (config: RawConfig) => RawConfig): Promise<void> {
  const { value, indentation, end } = await readRaw(file.path);
  const text = JSON.stringify(edit(value), null, indentation) + end;
  try {
    await replaceFile(await targetOf(file.path), text);
  } catch (cause) {
    throw new RegistryError("UNSUPPORTED", `cannot write ${file.path}: ${reasonOf(cause)}`, { cause });
  }
}

interface RawFile {
  readonly value: RawConfig;
  readonly indentation: string;
  /** What stands behind the last bracket. */
  readonly end: string;
}

async function readRaw(path: string): Promise<RawFile> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (isMissing(cause)) return { value: {}, indentation: "\t", end: "" }; // as docker writes it
    throw new RegistryError("UNSUPPORTED", `cannot read ${path}: ${reasonOf(cause)}`, { cause });
  }
  const value = parse(text.trim() === "" ? "{}" : text); // podman and docker take an empty file too
  // The text is not quoted: it has secrets.
  if (value === undefined) {
    throw new RegistryError(
      "UNSUPPORTED",
      `cannot use ${path}: it is not a JSON object; mend it, or move it away`,
    );
  }
  const indentation = /^\{\r?\n([ \t]+)/.exec(text.trimStart())?.[1] ?? (text.includes("\n") ? "\t" : "");
  return { value, indentation: text.trim() === "" ? "\t" : indentation, end: /\s*$/.exec(text)?.[0] ?? "" };
}

function parse(text: string): RawConfig | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as RawConfig) : undefined; // safe: what stands in it is checked where it is used
  } catch {
    return undefined; // the caller tells
  }
}

/** The file itself, where `path` is a symbolic link, also where nothing is there yet. */
async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const link = await readlink(path).catch(() => undefined); // most often there is just no file
  return link === undefined ? path : targetOf(resolve(dirname(path), link));
}

async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const before = await stat(path).catch(() => undefined); // it need not be there
  const temporary = `${path}.${randomUUID()}.tmp`;
  const file = await open(temporary, "wx", 0o600);
  try {
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    if (before && before.uid !== process.getuid?.()) await chown(temporary, before.uid, before.gid);
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => {}); // `error` says more
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
