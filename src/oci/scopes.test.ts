import { describe, expect, test } from "bun:test";
import { covers, formatScope, mergeScopes, parseScopes } from "./scopes.ts";

describe("parseScopes", () => {
  test("parseScopes reads several scopes, and a registry's port as part of the name", () => {
    expect(parseScopes("repository:a/b:pull,push registry:catalog:* repository:host:5000/x:pull")).toEqual([
      { resource: "repository:a/b", actions: ["pull", "push"] },
      { resource: "registry:catalog", actions: ["*"] },
      { resource: "repository:host:5000/x", actions: ["pull"] },
    ]);
  });

  test.each(["", "repository", "repository:a", "repository:a:", "repository:a:pull,"])(
    "parseScopes passes over %j",
    (text) => {
      expect(parseScopes(text)).toEqual([]);
    },
  );
});

describe("mergeScopes", () => {
  test("mergeScopes joins the actions on a resource", () => {
    const merged = mergeScopes(parseScopes("repository:b:push repository:a:pull repository:b:pull"));
    expect(merged.map(formatScope)).toEqual(["repository:a:pull", "repository:b:pull,push"]);
    expect(covers(merged, parseScopes("repository:b:pull"))).toBe(true);
    expect(covers(merged, parseScopes("repository:a:push"))).toBe(false);
  });
});
