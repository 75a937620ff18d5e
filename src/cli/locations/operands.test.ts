import { describe, expect, test } from "bun:test";
import { parseRegistry, parseRepository } from "./operands.ts";

describe("parseRepository", () => {
  test("parseRepository tells a registry from a repository with a tag", () => {
    for (const registry of ["127.0.0.1:5000", "localhost:5000", "registry.example.com:443"]) {
      expect(() => parseRepository(registry)).toThrow(
        `expected a repository of it, "${registry}/REPOSITORY"`,
      );
    }
    expect(() => parseRepository("ui:2024")).toThrow('expected a repository alone, "ui"');
    expect(() => parseRepository("localhost:5000/ui:1.0")).toThrow('alone, "localhost:5000/ui"');
  });
});

describe("parseRegistry", () => {
  test("parseRegistry keeps the scheme that was typed", () => {
    const parsed = ["a.example.com", "https://a.example.com/", "HTTP://a.example.com:80/v2/"].map((text) =>
      parseRegistry(text),
    );
    expect(parsed as unknown[]).toEqual([
      { registry: "a.example.com" },
      { registry: "a.example.com", scheme: "https" },
      { registry: "a.example.com:80", scheme: "http" },
    ]);
    expect(parseRegistry() as unknown).toEqual({ registry: "docker.io" });
  });
});
