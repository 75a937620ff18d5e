import { describe, expect, test } from "bun:test";
import { UsageError } from "../command.ts";
import { formatLocation, parseLocation } from "./locations.ts";

const digest = `sha256:${"a".repeat(64)}`;

describe("parseLocation", () => {
  test.each([
    ["alpine", "registry", undefined, "docker.io/library/alpine"],
    ["docker://alpine:3.20", "registry", undefined, "docker.io/library/alpine:3.20"],
    ["localhost:5000/a/b:1", "registry", undefined, "localhost:5000/a/b:1"],
    [`localhost:5000/a/b@${digest}`, "registry", undefined, `localhost:5000/a/b@${digest}`],
    ["local:alpine:3.20", "local", undefined, "local:docker.io/library/alpine:3.20"],
    ["local:localhost:5000/a/b", "local", undefined, "local:localhost:5000/a/b"],
    ["oci:folder", "oci", "folder", "oci:folder"],
    ["oci:/some/folder:1.0", "oci", "/some/folder", "oci:/some/folder:1.0"],
    ["oci:folder:example.com/a:1.0", "oci", "folder", "oci:folder:example.com/a:1.0"],
    ["oci-archive:a.tar:latest", "oci-archive", "a.tar", "oci-archive:a.tar:latest"],
    [
      "docker-archive:a.tar:library/alpine:3",
      "docker-archive",
      "a.tar",
      "docker-archive:a.tar:docker.io/library/alpine:3",
    ],
    ["docker-archive:a.tar", "docker-archive", "a.tar", "docker-archive:a.tar"],
  ])("parseLocation understands %s", (text, kind, path, written) => {
    const location = parseLocation(text);
    expect(location.kind as string).toBe(kind);
    expect("path" in location ? location.path : undefined).toBe(path);
    expect(formatLocation(location)).toBe(written);
    expect(parseLocation(written)).toEqual(location);
  });

  test.each([
    ["oci:"],
    ["oci-archive::1"],
    ["local:"],
    ["local:A"],
    ["oci:x:a/B"],
    ["https://example.com/a"],
    ["oci://x"],
  ])("parseLocation refuses %s", (text) => {
    expect(() => parseLocation(text)).toThrow(UsageError);
  });
});
