import { describe, expect, test } from "bun:test";
import { parseRoute } from "./routes.ts";

const digest = `sha256:${"a".repeat(64)}`;

describe("parseRoute", () => {
  test.each([
    ["/v2/", "base"],
    ["/v2", "base"],
    ["/v2/_catalog", "catalog"],
    ["/v2/a/tags/list", "tags"],
    ["/v2/a/b/manifests/latest", "tag"],
    [`/v2/a/b/manifests/${digest}`, "manifest"],
    [`/v2/a/blobs/${digest}`, "blob"],
    ["/v2/a/blobs/uploads/", "uploads"],
    ["/v2/a/blobs/uploads", "uploads"],
    ["/v2/a/blobs/uploads/x", "upload"],
    [`/v2/a/referrers/${digest}`, "referrers"],
  ] as const)("parseRoute finds the kind when the path is %s", (path, kind) => {
    expect(parseRoute(path)?.kind).toBe(kind);
  });

  test("parseRoute decides by the end when a repository has components of the API's words", () => {
    expect(parseRoute("/v2/blobs/uploads/manifests/tags/list/manifests/v1")).toEqual({
      kind: "tag",
      repository: "blobs/uploads/manifests/tags/list" as never,
      tag: "v1" as never,
    });
    expect(parseRoute(`/v2/uploads/blobs/${digest}`)).toMatchObject({ kind: "blob", repository: "uploads" });
  });

  test.each(["/", "/v1/", "/v3/a", "/v2x", "/v2/a", "/v2/a/tags/other", "/v2/a/uploads/x", "/favicon.ico"])(
    "parseRoute finds nothing when the path is %s",
    (path) => {
      expect(parseRoute(path)).toBeUndefined();
    },
  );

  test.each([
    ["/v2/A/manifests/latest", "NAME_INVALID"],
    ["/v2/a%2Fb/manifests/latest", "NAME_INVALID"],
    ["/v2/../etc/manifests/latest", "NAME_INVALID"],
    ["/v2//manifests/latest", "NAME_INVALID"],
    [`/v2/${"a".repeat(256)}/tags/list`, "NAME_INVALID"],
    ["/v2/a/manifests/%00", "TAG_INVALID"],
    [`/v2/a/manifests/${"t".repeat(129)}`, "TAG_INVALID"],
    ["/v2/a/manifests/md5:abc", "DIGEST_INVALID"],
    ["/v2/a/blobs/latest", "DIGEST_INVALID"],
    [`/v2/a/blobs/${digest.toUpperCase()}`, "DIGEST_INVALID"],
    ["/v2/a/referrers/sha256:x", "DIGEST_INVALID"],
  ] as const)("parseRoute refuses %s with %s", (path, code) => {
    expect(() => parseRoute(path)).toThrow(expect.objectContaining({ code }));
  });
});
