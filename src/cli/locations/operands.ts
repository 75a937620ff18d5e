import type { Platform } from "../../oci/descriptors.ts";
import { quote } from "../../oci/errors.ts";
import {
  familiarReference,
  parseReference,
  parseRegistryName,
  type Reference,
  type RegistryName,
  withDefaultTag,
} from "../../oci/references.ts";
import { parseTyped, UsageError } from "../command.ts";

/** A reference as docker understands it, with the tag `latest` if it has neither tag nor digest. */
export function parseImage(text: string): Reference {
  return withDefaultTag(parseTyped(parseReference, text));
}

/** A repository with its registry, understood as docker understands a reference without tag and digest. */
export function parseRepository(text: string): Reference {
  const reference = parseTyped(parseReference, text);
  if (!reference.tag && !reference.digest) return reference;
  const { registry, repository } = reference;
  if (/^(localhost|[^/:]+\.[^/:]+|\[[^\]]+\]):\d+$/.test(text)) {
    throw new UsageError(`${quote(text)} is a registry: expected a repository of it, "${text}/REPOSITORY"`);
  }
  const bare = familiarReference({ registry, repository });
  throw new UsageError(`${quote(text)} has a tag or digest: expected a repository alone, ${quote(bare)}`);
}

/** A registry that was typed alone. */
export interface TypedRegistry {
  readonly registry: RegistryName;
  /** As it was typed before the name, if it was. */
  readonly scheme?: "http" | "https";
}

/**
 * A registry as docker understands it where it logs in: also as an address, `https://registry.example.com/`; docker.io
 * if absent.
 */
export function parseRegistry(text = "docker.io"): TypedRegistry {
  const [, scheme, host = ""] = /^(?:(https?):\/\/)?([^/]*)/i.exec(text) ?? [];
  const registry = parseTyped(parseRegistryName, host);
  if (scheme === undefined) return { registry };
  return { registry, scheme: scheme.toLowerCase() === "https" ? "https" : "http" };
}

/** A platform as people write it: `linux/arm64`, `linux/arm/v7`. */
export function parsePlatform(text: string): Platform {
  const [, os, architecture, variant] = /^([\w.-]+)\/([\w.-]+)(?:\/([\w.-]+))?$/.exec(text) ?? [];
  if (os && architecture) return { os, architecture, ...(variant ? { variant } : {}) };
  throw new UsageError(
    `invalid platform ${quote(text)}: expected for example "linux/amd64" or "linux/arm/v7"`,
  );
}
