import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isLoopback, loadSettings, SettingsError } from "./settings.ts";

function withFile<T>(text: string, action: (file: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "berth-settings-"));
  try {
    writeFileSync(join(folder, "berth.yaml"), text);
    return action(join(folder, "berth.yaml"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("loadSettings", () => {
  test("loadSettings gives the documented defaults when nothing is set", () => {
    expect(loadSettings({}, {})).toMatchObject({
      listen: "127.0.0.1:5000",
      data: "./berth-data",
      workers: 1,
      access: {},
    });
  });

  test("loadSettings prefers flags over the environment over the file", () => {
    const text = "listen: 127.0.0.1:1\ndata: /file\nworkers: 3\naccess: { open: pull }\n";
    const settings = withFile(text, (file) =>
      loadSettings(
        { listen: "127.0.0.1:3" },
        { BERTH_LISTEN: "127.0.0.1:2", BERTH_DATA: "/environment" },
        file,
      ),
    );
    expect(settings).toMatchObject({
      listen: "127.0.0.1:3",
      data: "/environment",
      workers: 3,
      access: { open: "pull" },
    });
  });

  test.each([
    ["listen: here", 'listen is "here"'],
    ["workers: many", 'workers is "many"'],
    ["tags: [{ repositories: [Gallery] }]", "tags.0.repositories.0"],
    ["tags: [{ repositories: [a], float: [patch] }]", 'tags.0.float.0 is "patch"'],
    ["tags: [{ repositories: [a], versions: none, float: [latest] }]", "nothing can move latest"],
    [
      'tags: [{ repositories: ["**"] }, { repositories: ["gallery/*"] }]',
      "rule 2 of the settings file can never match gallery/*",
    ],
    ["log-level: loud", 'log-level is "loud"'],
    ["access: { open: all }", 'access.open is "all"'],
    ["tls: { certificate: a.pem }", "tls.key"],
    ["tls: { folder: a, key: a.key }", "tls is"],
    ["mdns: registry.example.com", "mdns is"],
    ["colour: red", "colour"],
    ["- a", "expected settings by name"],
    ["listen: [", "berth.yaml"],
  ])("loadSettings names what is wrong when the file says %s", (text, expected) => {
    withFile(text, (file) => {
      expect(() => loadSettings({}, {}, file)).toThrow(SettingsError);
      expect(() => loadSettings({}, {}, file)).toThrow(expected);
    });
  });

  test("loadSettings names the file when it is not there", () => {
    expect(() => loadSettings({}, {}, "/nowhere/berth.yaml")).toThrow("/nowhere/berth.yaml");
  });
});

describe("isLoopback", () => {
  test.each(["127.0.0.1:5000", "localhost:5000", "[::1]:5000", "127.1.2.3:1"])(
    "isLoopback takes %s",
    (listen) => {
      expect(isLoopback(listen)).toBe(true);
    },
  );

  test.each(["0.0.0.0:5000", "[::]:5000", "192.0.2.1:5000", "registry.local:5000"])(
    "isLoopback does not take %s",
    (listen) => {
      expect(isLoopback(listen)).toBe(false);
    },
  );
});
