import { type Digest, parseDigest } from "../oci/digests.ts";
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from "../oci/names.ts";

/** What a path of the distribution API asks for. Parts that are wrong have been refused. */
export type Route =
  | { readonly kind: "base" }
  | { readonly kind: "catalog" }
  | { readonly kind: "blob"; readonly repository: RepositoryName; readonly digest: Digest }
  | { readonly kind: "uploads"; readonly repository: RepositoryName }
  | { readonly kind: "upload"; readonly repository: RepositoryName; readonly id: string }
  | { readonly kind: "manifest"; readonly repository: RepositoryName; readonly digest: Digest }
  | { readonly kind: "tag"; readonly repository: RepositoryName; readonly tag: Tag }
  | { readonly kind: "tags"; readonly repository: RepositoryName }
  | { readonly kind: "referrers"; readonly repository: RepositoryName; readonly digest: Digest };

/** The kinds of route, as metrics and logs name them. */
export type RouteKind = Route["kind"];

/**
 * Parses the path of a request below the server's root, undecoded: what is not literally a name, tag or digest is none.
 * Repository names may have components such as `blobs` or `manifests`, so the end of the path decides.
 * @returns undefined when the API has no such path
 * @throws RegistryError NAME_INVALID, TAG_INVALID or DIGEST_INVALID, by the part that is wrong
 */
export function parseRoute(path: string): Route | undefined {
  if (!path.startsWith("/v2/")) return path === "/v2" ? { kind: "base" } : undefined;
  if (path.length === 4) return { kind: "base" };
  if (path === "/v2/_catalog") return { kind: "catalog" };
  const end = path.lastIndexOf("/");
  const last = path.slice(end + 1);
  const before = path.lastIndexOf("/", end - 1);
  const folder = path.slice(before + 1, end);
  const repository = (nameEnd = before): RepositoryName => parseRepositoryName(path.slice(4, nameEnd));
  switch (folder) {
    case "manifests":
      return last.includes(":")
        ? { kind: "manifest", repository: repository(), digest: parseDigest(last) }
        : { kind: "tag", repository: repository(), tag: parseTag(last) };
    case "blobs":
      if (last === "uploads") return { kind: "uploads", repository: repository() };
      return { kind: "blob", repository: repository(), digest: parseDigest(last) };
    case "uploads": {
      const blobs = path.lastIndexOf("/", before - 1);
      if (path.slice(blobs + 1, before) !== "blobs") return undefined;
      if (last === "") return { kind: "uploads", repository: repository(blobs) };
      return { kind: "upload", repository: repository(blobs), id: last };
    }
    case "tags":
      return last === "list" ? { kind: "tags", repository: repository() } : undefined;
    case "referrers":
      return { kind: "referrers", repository: repository(), digest: parseDigest(last) };
    default:
      return undefined;
  }
}
