import { describe, expect, test } from "bun:test";
import { runBerth } from "../../tests/fixtures/command-lines.ts";
import { RegistryError } from "../oci/errors.ts";
import { type Command, defineCommand, UsageError } from "./command.ts";
import { commands } from "./commands.ts";
import { Interruption } from "./failures.ts";
import { loadAll } from "./run.ts";
import type { CommandTable } from "./table.ts";

const list = defineCommand({
  operands: { repository: { value: "REPOSITORY" } },
  flags: {
    quiet: { type: "switch", short: "q", summary: "print less" },
    json: { type: "switch", summary: "print JSON" },
    sort: { type: "text", value: "BY", choices: ["name", "age"], otherwise: "name", summary: "the order" },
  },
  description: "A longer text.",
  examples: [{ line: "berth tags ls a", does: "lists a" }],
  async run({ flags, operands, stdout }) {
    stdout.write(`${operands.repository} ${flags.quiet}\n`);
    return 0;
  },
});

function throwing(error: unknown): Command {
  return defineCommand({
    operands: {},
    flags: { json: { type: "switch", summary: "print JSON" } },
    run: () => Promise.reject(error),
  });
}

function tableWith(failing: Command): CommandTable {
  const load = async () => list;
  return [
    {
      title: "Tags",
      commands: [
        { words: "tags ls", summary: "List tags", aliases: ["tags list"], load },
        { words: "tags rm", summary: "Delete tags", load },
      ],
    },
    { title: "More", commands: [{ words: "fail", summary: "Fail", load: async () => failing }] },
  ];
}

const table = tableWith(throwing(new Error("boom")));
const run = (...args: string[]) => runBerth(args, { table });

describe("runCommandLine", () => {
  test.each([["tags ls"], ["tags list"]])("runCommandLine runs %s with what was parsed", async (words) => {
    expect(await run(...words.split(" "), "-q", "a")).toEqual({
      exitCode: 0,
      stdout: "a true\n",
      stderr: "",
    });
  });

  test.each([
    [["help", "tags", "ls"]],
    [["tags", "ls", "--help"]],
    [["tags", "ls", "-h"]],
    [["tags", "list", "x", "--nonsense", "--help"]],
  ])("runCommandLine explains a command when asked by %p", async (args) => {
    const { exitCode, stdout, stderr } = await run(...args);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toBe(`Usage:  berth tags ls [OPTIONS] REPOSITORY

List tags

A longer text.

Also:  berth tags list

Options:
  -q, --quiet     print less
      --json      print JSON
      --sort BY   the order; name, age (name)

Examples:
  berth tags ls a   lists a
`);
  });

  test.each([[["--help"]], [["-h"]], [["help"]]])(
    "runCommandLine lists all commands for %p",
    async (args) => {
      const { exitCode, stdout } = await run(...args);
      expect(exitCode).toBe(0);
      expect(stdout).toContain(
        "Tags:\n  tags ls   List tags\n  tags rm   Delete tags\n\nMore:\n  fail      Fail\n",
      );
    },
  );

  test("runCommandLine lists the commands of a group when asked, and with exit code 2 when one is missing", async () => {
    const asked = await run("tags", "--help");
    expect(asked).toMatchObject({ exitCode: 0, stderr: "" });
    expect(asked.stdout).toContain("Usage:  berth tags COMMAND\n\n  tags ls");
    expect(await run("tags")).toEqual({ exitCode: 2, stdout: "", stderr: asked.stdout });
    expect(await run("help", "tags")).toEqual(asked);
  });

  test.each([
    [["tags", "lss", "a"], 'there is no command "tags lss", did you mean berth tags ls or berth tags rm?'],
    [["tag"], 'there is no command "tag", did you mean berth tags?'],
    [["fial"], 'there is no command "fial", did you mean berth fail?'],
    [["xyzzy", "--json"], 'there is no command "xyzzy"\n'],
    [["--josn"], "there is no flag --josn before a command"],
  ])("runCommandLine answers %p with what is near and exit code 2", async (args, message) => {
    const { exitCode, stdout, stderr } = await run(...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr).toContain(message);
  });

  test("runCommandLine shows how a command is called when it is called wrong", async () => {
    expect(await run("tags", "ls")).toEqual({
      exitCode: 2,
      stdout: "",
      stderr:
        "berth: REPOSITORY is missing\nUsage:  berth tags ls [OPTIONS] REPOSITORY\nSee berth tags ls --help\n",
    });
  });

  test.each([
    ["NAME_UNKNOWN", 1, new RegistryError("NAME_UNKNOWN", "cannot list: there is no repository")],
    ["USAGE", 2, new UsageError("no such thing")],
    ["INTERNAL", 1, new Error("boom")],
  ])("runCommandLine makes one message of an error %s, with exit code %p", async (code, exitCode, error) => {
    const failing = tableWith(throwing(error));
    const message = code === "INTERNAL" ? "boom: a fault of Berth, BERTH_DEBUG=1 shows where" : error.message;
    const plain = await runBerth(["fail"], { table: failing });
    expect(plain).toMatchObject({ exitCode, stdout: "" });
    expect(plain.stderr.split("\n")[0]).toBe(`berth: ${message}`);
    const json = await runBerth(["fail", "--json"], { table: failing });
    expect(json).toMatchObject({ exitCode, stdout: "" });
    expect(JSON.parse(json.stderr)).toEqual({ error: { code, message } });
    const debugged = await runBerth(["fail"], { table: failing, env: { BERTH_DEBUG: "1" } });
    expect(debugged.stderr).toContain("run.test.ts:"); // where it was made
  });

  test("runCommandLine says that the disk is full when a write failed for that", async () => {
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), {
      code: "ENOSPC",
      path: "/images/x",
    });
    const { exitCode, stderr } = await runBerth(["fail"], { table: tableWith(throwing(full)) });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: "berth: /images/x: the disk is full: make room and run the same command again\n",
    });
  });

  test("runCommandLine ends with the exit code of the signal when the command was interrupted", async () => {
    const stop = new AbortController();
    stop.abort(new Interruption("interrupted", 130));
    const table = tableWith(throwing(new Error("whatever broke by that")));
    const { exitCode, stderr } = await runBerth(["fail"], { table, signal: stop.signal });
    expect({ exitCode, stderr }).toEqual({ exitCode: 130, stderr: "berth: interrupted\n" });
  });
});

test("every command of Berth has a help whose flags and letters are its own", async () => {
  for (const [entry, command] of await loadAll(commands)) {
    const letters = Object.values(command.flags).flatMap(({ short }) => (short ? [short] : []));
    expect({ words: entry.words, letters: [...new Set(letters)] }).toEqual({ words: entry.words, letters });
    expect(Object.keys(command.flags)).not.toContain("help");
    const operands = Object.values(command.operands);
    expect(operands.slice(0, -1).some(({ multiple }) => multiple)).toBe(false);
    expect(entry.summary).toMatch(/^[A-Z].*[^.]$/);
    const { exitCode, stdout } = await runBerth([...entry.words.split(" "), "--help"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(entry.summary);
  }
});
