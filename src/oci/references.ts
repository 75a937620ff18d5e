import { type Digest, parseDigest } from "./digests.ts";
import { isRegistryError, quote, RegistryError } from "./errors.ts";
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from "./names.ts";

declare const registryBrand: unique symbol;

/**
 * Where a registry is: a host name, IPv4 address or bracketed IPv6 address, and a port if one was given, such as
 * `docker.io`, `localhost:5000` or `[::1]:5000`; checked by {@link parseRegistryName}. Letters keep their case.
 */
export type RegistryName = string & { readonly [registryBrand]: true };

/**
 * What a person types to name an image or artifact, parsed by {@link parseReference}. With a tag and a digest, the
 * digest decides and the tag is for people.
 */
export interface Reference {
  readonly registry: RegistryName;
  readonly repository: RepositoryName;
  readonly tag?: Tag;
  readonly digest?: Digest;
}

/** The registry of a reference that names none. */
export const defaultRegistry = "docker.io" as RegistryName; // safe: of the shape below
/** The tag that {@link withDefaultTag} gives. */
export const defaultTag = "latest" as Tag; // safe: parseTag takes it

const legacyDefaultRegistry = "index.docker.io";
const defaultPrefix = "library/";

// The grammar is that of docker: https://github.com/distribution/reference/blob/v0.6.0/regexp.go
const registryShape =
  /^(?:[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*(?:\.[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/;
const imageId = /^[a-f0-9]{64}$/;

/**
 * Parses a reference as docker does, and makes it canonical: without a registry it is at docker.io, and there a
 * repository of one component is below `library/`; `index.docker.io` is docker.io. A missing tag stays missing.
 *
 * Docker also takes a first component with both a dot and an underscore, such as `my_host.lan/app`, as a name without
 * any registry, which it then cannot pull or push; that is refused here.
 * @throws RegistryError NAME_INVALID, TAG_INVALID or DIGEST_INVALID, by the part that is wrong
 */
export function parseReference(text: string): Reference {
  if (text === "") {
    throw new RegistryError("NAME_INVALID", `the reference is empty: expected for example "alpine:3.20"`);
  }
  try {
    return parseParts(text);
  } catch (cause) {
    if (!isRegistryError(cause)) throw cause;
    throw new RegistryError(cause.code, `invalid reference ${quote(text)}: ${cause.message}`, { cause });
  }
}

function parseParts(text: string): Reference {
  if (imageId.test(text)) {
    throw new RegistryError(
      "NAME_INVALID",
      "64 hexadecimal digits are an image's ID and not a repository name: " +
        `write the repository as well, such as "name@sha256:${text.slice(0, 6)}..."`,
    );
  }
  const scheme = /^[a-z]+:\/\//i.exec(text)?.[0];
  if (scheme) {
    throw new RegistryError("NAME_INVALID", `a reference is not a URL: leave out ${quote(scheme)}`);
  }
  const { registry, rest } = splitRegistry(text);
  const [nameAndTag, digest] = cut(rest, "@");
  const [path, tag] = cut(nameAndTag, ":");
  const inDefaultPrefix = registry === defaultRegistry && !path.includes("/");
  return {
    registry: parseRegistryName(registry),
    repository: parseRepositoryName(inDefaultPrefix ? defaultPrefix + path : path),
    ...(tag === undefined ? {} : { tag: parseTag(tag) }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest) }),
  };
}

function splitRegistry(text: string): { registry: string; rest: string } {
  const [first, rest] = cut(text, "/");
  if (rest === undefined || !looksLikeRegistry(first)) return { registry: defaultRegistry, rest: text };
  return { registry: first === legacyDefaultRegistry ? defaultRegistry : first, rest };
}

/** Whether docker takes the first component of a name as a registry. No repository has upper-case letters. */
export function looksLikeRegistry(component: string): boolean {
  return component === "localhost" || /[.:]/.test(component) || component !== component.toLowerCase();
}

/** What stands before and behind the first `separator`. */
function cut(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/**
 * Parses the name of a registry alone, such as a person gives to log in. `index.docker.io` becomes `docker.io`.
 * @throws RegistryError NAME_INVALID, also when a reference could not begin with it
 */
export function parseRegistryName(text: string): RegistryName {
  if (text === legacyDefaultRegistry) return defaultRegistry;
  if (!registryShape.test(text)) {
    throw new RegistryError(
      "NAME_INVALID",
      `invalid registry ${quote(text)}: expected a host name (letters, digits, dots, dashes), an IPv4 address or an ` +
        `IPv6 address in [brackets], and a port in digits if it has one, such as "registry.example.com:5000"`,
    );
  }
  if (!looksLikeRegistry(text)) {
    throw new RegistryError(
      "NAME_INVALID",
      `${quote(text)} alone would be read as part of a repository name: add the port, such as ${quote(`${text}:443`)}`,
    );
  }
  return text as RegistryName; // safe: just checked
}

/** Gives a reference that has neither tag nor digest the tag `latest`, as docker does before it pulls or pushes. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag || reference.digest ? reference : { ...reference, tag: defaultTag };
}

/** The canonical form, with everything written out: `docker.io/library/alpine:3.20`. */
export function formatReference(reference: Reference): string {
  return `${reference.registry}/${reference.repository}${suffix(reference)}`;
}

/** The short form that docker shows to people, see {@link familiarName}, with tag and digest: `alpine:3.20`. */
export function familiarReference(reference: Reference): string {
  const short = familiarName(reference) + suffix(reference);
  return imageId.test(short) ? formatReference(reference) : short;
}

/**
 * The short form of a reference's name that docker shows to people, without tag and digest: `docker.io/` is left out,
 * and `library/` before a single component.
 *
 * Where the short form would be read as something else, the name is written out: `docker.io/example.com/app` stays
 * as it is, where docker shows `example.com/app` and then also pulls from there.
 */
export function familiarName({ registry, repository }: Reference): string {
  const full = `${registry}/${repository}`;
  if (registry !== defaultRegistry) return full;
  const [first, rest] = cut(repository, "/");
  if (rest === undefined) return full; // not made by parseReference
  if (first === "library" && !rest.includes("/")) return rest;
  return looksLikeRegistry(first) ? full : repository;
}

function suffix({ tag, digest }: Reference): string {
  return (tag ? `:${tag}` : "") + (digest ? `@${digest}` : "");
}
