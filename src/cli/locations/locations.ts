import { plainPlace } from "../../layout/names.ts";
import type { Digest } from "../../oci/digests.ts";
import { quote } from "../../oci/errors.ts";
import { isTag, type RepositoryName, type Tag } from "../../oci/names.ts";
import { parseReference, type RegistryName } from "../../oci/references.ts";
import { parseTyped, UsageError } from "../command.ts";

/** What an image is called where it is: a reference whose tag may be left open. */
export interface LocationName {
  readonly registry: RegistryName;
  readonly repository: RepositoryName;
  readonly tag?: Tag;
  readonly digest?: Digest;
}

export interface RegistryLocation {
  readonly kind: "registry";
  readonly name: LocationName;
}

/** Among the local images. */
export interface LocalLocation {
  readonly kind: "local";
  readonly name: LocationName;
}

/** In an OCI image layout. */
export interface LayoutLocation {
  readonly kind: "oci";
  readonly path: string;
  /** Absent where the path alone was given. */
  readonly name?: LocationName;
}

/** In an archive, which is written as a whole. */
export interface ArchiveLocation {
  readonly kind: "oci-archive" | "docker-archive";
  readonly path: string;
  readonly name?: LocationName;
}

/** Where images are read and written one by one. */
export type PlaceLocation = RegistryLocation | LocalLocation | LayoutLocation;

/** Where an image is, or shall be, as a person writes it. */
export type Location = PlaceLocation | ArchiveLocation;

/** Whether a location is written as a whole. */
export function isArchive(location: Location): location is ArchiveLocation {
  return location.kind === "oci-archive" || location.kind === "docker-archive";
}

/** How locations are written, for the help. */
export const locationsHelp = `A location is
  REGISTRY/REPOSITORY[:TAG|@DIGEST]   at a registry, as docker understands it
  local:NAME[:TAG|@DIGEST]            a local image
  oci:FOLDER[:TAG|:NAME]              in an OCI image layout
  oci-archive:FILE[:TAG|:NAME]        in an archive of an OCI image layout, which docker load reads too
  docker-archive:FILE[:NAME]          in an archive as docker save wrote it before version 25`;

/** @throws UsageError */
export function parseLocation(text: string): Location {
  const [, kind, rest = ""] = /^(local|oci|oci-archive|docker-archive):(?!\/\/)(.*)$/s.exec(text) ?? [];
  if (kind === undefined) {
    return { kind: "registry", name: parseTyped(parseReference, text.replace(/^docker:\/\//, "")) };
  }
  if (kind === "local") return { kind, name: parseTyped(parseReference, rest) };
  // As skopeo splits it: a path has no colon.
  const [path = "", ...more] = rest.split(":");
  if (path === "") throw new UsageError(`${quote(text)} names no file: expected ${kind}:PATH`);
  const pathKind = kind as "oci" | ArchiveLocation["kind"]; // safe: what is left of the expression
  return { kind: pathKind, path, ...(more.length > 0 ? { name: parseName(more.join(":")) } : {}) };
}

function parseName(text: string): LocationName {
  return isTag(text) ? { ...plainPlace, tag: text } : parseTyped(parseReference, text);
}

/** The location as it is written, with another name if one is given. */
export function formatLocation(location: Location, name: LocationName | undefined = location.name): string {
  const text = name ? formatName(name) : "";
  switch (location.kind) {
    case "registry":
      return text;
    case "local":
      return `local:${text}`;
    default:
      return `${location.kind}:${location.path}${text ? `:${text}` : ""}`;
  }
}

function formatName({ registry, repository, tag, digest }: LocationName): string {
  const isPlain = registry === plainPlace.registry && repository === plainPlace.repository;
  if (isPlain && tag && !digest) return tag;
  return `${registry}/${repository}${tag ? `:${tag}` : ""}${digest ? `@${digest}` : ""}`;
}
