import { quote, RegistryError } from "../../oci/errors.ts";
import type { Credentials } from "../credentials.ts";
import { helperKey, isKeyOf } from "./keys.ts";

/** A login as it stands in a file: `auth` is the base64 of `user:password`. */
export interface AuthEntry {
  readonly auth?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly identitytoken?: unknown;
  readonly registrytoken?: unknown;
}

/** Whether an entry has a login, and is not the empty one that stands for what a helper has. */
export function isLogin(entry: AuthEntry): boolean {
  return [entry.auth, entry.password, entry.identitytoken, entry.registrytoken].some(textOf);
}

/** The login for a registry or a part of one, and its key; the one under docker's own key goes first. */
export function findEntry(
  { auths }: { readonly auths: Readonly<Record<string, AuthEntry>> },
  wanted: string,
): readonly [key: string, entry: AuthEntry] | undefined {
  const matching = Object.entries(auths).filter(([key, entry]) => isLogin(entry) && isKeyOf(key, wanted));
  return matching.find(([key]) => key === helperKey(wanted)) ?? matching[0];
}

/**
 * The credentials in an entry.
 * @param place where it stands, for the message
 * @throws RegistryError UNSUPPORTED when `auth` is not what it should be
 */
export function credentialsOf(
  entry: AuthEntry,
  place: { readonly file: string; readonly key: string },
): Credentials | undefined {
  const registryToken = textOf(entry.registrytoken);
  if (registryToken) return { registryToken };
  const decoded = decode(textOf(entry.auth), place);
  const username = decoded?.username ?? textOf(entry.username);
  const refreshToken = textOf(entry.identitytoken);
  if (refreshToken) return { refreshToken, ...(username ? { username } : {}) };
  const password = decoded?.password ?? textOf(entry.password);
  return password === undefined ? undefined : { username: username ?? "", password };
}

/** The user name in an entry, as far as it can be read. */
export function usernameOf({ auth, username }: AuthEntry): string | undefined {
  const [, decoded] = /^([^:]+):/.exec(Buffer.from(textOf(auth) ?? "", "base64").toString()) ?? [];
  return decoded ?? textOf(username);
}

/** The entry that has these credentials, as docker writes it. */
export function entryOf(credentials: Credentials): AuthEntry {
  if ("registryToken" in credentials) return { registrytoken: credentials.registryToken };
  if ("password" in credentials) return { auth: encode(credentials.username, credentials.password) };
  const { username = "", refreshToken } = credentials;
  return { ...(username ? { auth: encode(username, "") } : {}), identitytoken: refreshToken };
}

function encode(username: string, password: string): string {
  return Buffer.from(`${username}:${password}`).toString("base64");
}

function decode(
  text: string | undefined,
  { file, key }: { readonly file: string; readonly key: string },
): { username: string; password?: string } | undefined {
  if (text === undefined) return undefined;
  const pair = Buffer.from(text, "base64").toString();
  const colon = pair.indexOf(":");
  if (colon < 0) {
    throw new RegistryError(
      "UNSUPPORTED",
      `the "auth" of ${quote(key)} in ${file} is not the base64 of user:password: log in again`,
    );
  }
  const password = pair.slice(colon + 1).replace(/\0+$/, ""); // docker pads some
  return { username: pair.slice(0, colon), ...(password ? { password } : {}) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
