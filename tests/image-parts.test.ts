import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { readElf } from "../deploy/image/elf.ts";
import { originOf, version } from "../deploy/image/origin.ts";
import { attempt, succeed } from "./fixtures/processes.ts";

describe("originOf", () => {
  test("originOf takes the time of SOURCE_DATE_EPOCH, and leaves out what nobody says", () => {
    const { created, labels } = originOf({ SOURCE_DATE_EPOCH: "0" }, { revision: "" });
    expect(created).toBe("1970-01-01T00:00:00Z");
    expect(labels).toMatchObject({
      "org.opencontainers.image.created": created,
      "org.opencontainers.image.version": version,
    });
    expect(Object.keys(labels)).not.toContain("org.opencontainers.image.revision");
    expect(Object.keys(labels)).not.toContain("org.opencontainers.image.source");
  });

  test.each(["", "yesterday", "-1", "1e9", "123456789012"])(
    "originOf refuses the SOURCE_DATE_EPOCH %j",
    (seconds) => {
      expect(() => originOf({ SOURCE_DATE_EPOCH: seconds }, {})).toThrow(
        `SOURCE_DATE_EPOCH is ${JSON.stringify(seconds)}: expected seconds since 1970`,
      );
    },
  );
});

describe("readElf", () => {
  test.skipIf(process.platform !== "linux")("readElf finds what a program is linked with", async () => {
    const { architecture, needed, interpreter } = readElf(await Bun.file(process.execPath).bytes());
    expect(architecture).toBe(process.arch === "x64" ? "amd64" : process.arch);
    expect(needed.some((name) => name.startsWith("libc."))).toBe(true);
    expect(interpreter).toMatch(/^\/lib(?:64)?\/ld-/);
  });

  test.each(["", "#!/bin/sh\n", `\x7fELF${"\0".repeat(100)}`])("readElf refuses %j", (text) => {
    expect(() => readElf(new TextEncoder().encode(text))).toThrow("it is no ELF file");
  });
});

describe("the command line of npm run image", () => {
  const command = join(import.meta.dir, "..", "bin", "image.mjs");

  test.each([
    [
      ["--platform", "linux/s390x"],
      "there is no image for linux/s390x: choose among linux/amd64, linux/arm64",
    ],
    [["--nonsense"], "Unknown option '--nonsense'"],
    [["dist"], "Unexpected argument 'dist'"],
  ])("image refuses %j before it makes anything", async (args, message) => {
    const { exitCode, stdout, stderr } = await attempt("node", [command, ...args]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toContain(message);
  });

  test("image --help tells what it makes and takes", async () => {
    const help = await succeed("node", [command, "--help"]);
    for (const flag of ["--push", "--output", "--platform", "--source", "--revision"])
      expect(help).toContain(flag);
  });
});
