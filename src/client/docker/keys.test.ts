import { describe, expect, test } from "bun:test";
import { helperKey, isKeyOf, keysFor, registryOfKey } from "./keys.ts";

describe("registryOfKey", () => {
  test.each([
    ["https://index.docker.io/v1/", "docker.io"],
    ["index.docker.io", "docker.io"],
    ["registry-1.docker.io", "docker.io"],
    ["docker.io", "docker.io"],
    ["docker.io/library/app", "docker.io/library/app"],
    ["registry.example.com", "registry.example.com"],
    ["registry.example.com:5000", "registry.example.com:5000"],
    ["https://registry.example.com/v1/", "registry.example.com"],
    ["http://registry.example.com:5000", "registry.example.com:5000"],
    ["https://registry.example.com/any/where", "registry.example.com"],
    ["registry.example.com/v1/", "registry.example.com"],
    ["registry.example.com/v2", "registry.example.com"],
    ["quay.io/team", "quay.io/team"],
    ["quay.io/team/app/", "quay.io/team/app"],
    ["[::1]:5000", "[::1]:5000"],
    ["", ""],
  ])("registryOfKey takes %s for %s", (key, registry) => {
    expect(registryOfKey(key)).toBe(registry);
  });
});

describe("isKeyOf", () => {
  test("isKeyOf keeps a part of a registry apart from the registry", () => {
    expect(isKeyOf("quay.io/team", "quay.io")).toBe(false);
    expect(isKeyOf("quay.io", "quay.io/team")).toBe(false);
    expect(isKeyOf("quay.io.example.com", "quay.io")).toBe(false);
  });
});

describe("keysFor", () => {
  test("keysFor begins with the repository and ends with the registry", () => {
    expect(keysFor("quay.io", "team/app")).toEqual(["quay.io/team/app", "quay.io/team", "quay.io"]);
    expect(keysFor("quay.io", undefined)).toEqual(["quay.io"]);
  });
});

describe("helperKey", () => {
  test("helperKey is docker's old address when it is for Docker Hub", () => {
    expect(helperKey("docker.io")).toBe("https://index.docker.io/v1/");
    expect(helperKey("quay.io")).toBe("quay.io");
  });
});
