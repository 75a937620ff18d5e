import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type BerthWithAccounts, basic, startBerthWithAccounts } from "./fixtures/accounts.ts";
import { runBerth } from "./fixtures/command-lines.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { pushImage } from "./fixtures/pushes.ts";

let berth: BerthWithAccounts;
let homes: string;
let data: string;

beforeAll(async () => {
  homes = await makeTemporaryFolder();
  data = join(homes, "data");
  berth = await startBerthWithAccounts({ data });
  await logIn("admin", berth.adminPassword);
}, 60_000);
afterAll(async () => {
  await berth?.stop();
  await rm(homes, { recursive: true });
});

/** Runs a command as somebody who has a home of their own, logged in or not. */
const as = (who: string, args: readonly string[], stdin = "") =>
  runBerth(args, { env: { HOME: `${homes}/${who}`, DOCKER_CONFIG: `${homes}/${who}` }, stdin });

async function logIn(who: string, password: string) {
  const result = await as(who, ["login", "-u", who, "--password-stdin", berth.host], password);
  expect(result.stderr).not.toContain("nothing was verified");
  expect(result).toMatchObject({ exitCode: 0, stdout: "Login Succeeded\n" });
}

async function succeed(who: string, args: readonly string[], stdin = ""): Promise<string> {
  const result = await as(who, args, stdin);
  expect(result).toMatchObject({ exitCode: 0 });
  return result.stdout;
}

const hostless = (text: string) => text.replaceAll(berth.host, "HOST");

describe("berth user, role, token", () => {
  test("an administrator makes a person, who logs in and sees what they may do", async () => {
    const add = [
      "user",
      "add",
      berth.host,
      "alice",
      "--password-stdin",
      "--role",
      "writer",
      "--on",
      "gallery/*",
    ];
    expect(await succeed("admin", add, "alice's password\n")).toBe("Made alice, writer on gallery/*\n");
    await logIn("alice", "alice's password");
    expect(await succeed("alice", ["whoami", berth.host])).toMatch(
      /^alice \(person, by login \w+\)\n {2}writer on gallery\/\*\n$/,
    );
    const denied = await as("alice", ["user", "ls", berth.host]);
    expect(denied.exitCode).toBe(1);
    expect(denied.stderr).toContain("only an administrator of this registry may list accounts");
  });

  test("an administrator makes a robot with a token, which is printed alone", async () => {
    await succeed("admin", ["user", "add", berth.host, "ci", "--robot"]);
    expect(await succeed("admin", ["role", "grant", berth.host, "ci", "reader", "gallery/*"])).toBe(
      "ci is reader on gallery/*\n",
    );
    const made = await as("admin", [
      ...["token", "create", berth.host, "ci", "--name", "build", "--on", "gallery/app", "--expires", "90d"],
    ]);
    expect(made.stdout).toMatch(/^berth_robot_[\w-]{43}\n$/);
    await logIn("ci", made.stdout.trim());
    expect(await succeed("ci", ["whoami", berth.host])).toContain("only for: pull on gallery/app");
    const listed = await succeed("admin", ["token", "ls", berth.host, "ci"]);
    expect(listed).toMatch(/build .*pull on gallery\/app/);
    expect(listed).not.toContain(made.stdout.trim());
    const [, id = ""] = /^Token (\w+) of ci/.exec(made.stderr) ?? [];
    expect(await succeed("admin", ["token", "rm", berth.host, id, "--owner", "ci"])).toBe(
      `Revoked ${id} of ci\n`,
    );
    expect((await as("ci", ["whoami", berth.host])).exitCode).toBe(1);
  });

  test("a person changes their own password, which ends what was logged in before", async () => {
    const passwd = ["user", "passwd", berth.host, "--password-stdin"];
    const wrong = await as("alice", passwd, "not it\nanother password\n");
    expect(wrong.exitCode).toBe(1);
    expect(await as("alice", passwd.slice(0, -1))).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("standard input is no terminal: use --password-stdin"),
    });
    expect(await succeed("alice", passwd, "alice's password\nanother password\n")).toContain("log in again");
    expect((await as("alice", ["whoami", berth.host])).exitCode).toBe(1);
    await logIn("alice", "another password");
  });

  test("an administrator disables, enables, groups and removes an account", async () => {
    await succeed("admin", ["user", "add", berth.host, "bob", "--password-stdin"], "bob's password");
    await logIn("bob", "bob's password");
    await succeed("admin", ["user", "disable", berth.host, "bob"]);
    expect((await as("bob", ["whoami", berth.host])).exitCode).toBe(1);
    await succeed("admin", ["user", "enable", berth.host, "bob"]);
    await succeed("admin", ["role", "grant", berth.host, "group:ops", "maintainer", "**"]);
    await succeed("admin", ["user", "groups", berth.host, "bob", "ops"]);
    await logIn("bob", "bob's password");
    expect(await succeed("bob", ["whoami", berth.host])).toContain("maintainer on **");
    const table = await succeed("admin", ["user", "ls", berth.host]);
    expect(table).toMatch(/^NAME +KIND +SOURCE +STATE +GROUPS\n/);
    expect(table).toMatch(/\nbob +person +local +active +ops\n/);
    await succeed("admin", ["user", "rm", berth.host, "bob"]);
    expect(await succeed("admin", ["user", "ls", berth.host])).not.toContain("bob");
  });

  test("whoever owns the machine gets in again", async () => {
    const recover = ["user", "recover", "--data", data, "--password-stdin"];
    expect(await succeed("owner", recover, "a new password\n")).toBe(
      "admin is an administrator with the new password\n",
    );
    await logIn("admin", "a new password");
    expect(await succeed("admin", ["audit", berth.host, "--action", "account.recover"])).toContain(
      "owner of the machine",
    );
    const refused = await as("owner", ["user", "recover", "--data", homes, "--password-stdin"], "x");
    expect([refused.exitCode, refused.stderr]).toEqual([
      1,
      expect.stringContaining("there is no Berth's data"),
    ]);
  });

  test("commands say what is wrong", async () => {
    const last = await as("admin", ["user", "rm", berth.host, "admin"]);
    expect(hostless(last.stderr)).toContain("admin is the last administrator of this registry");
    const unknown = await as("admin", ["role", "grant", berth.host, "nobody", "reader", "a"]);
    expect(unknown.stderr).toContain("there is no account nobody");
    const wrong = await as("admin", ["role", "grant", berth.host, "alice", "owner", "a"]);
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toContain('ROLE is "owner": expected reader, writer, maintainer, administrator');
    const noToken = await as("admin", ["token", "rm", berth.host]);
    expect(noToken.exitCode).toBe(2);
    expect(noToken.stderr).toContain("ID is missing: berth token ls shows what there is");
    expect((await as("admin", ["token", "create", berth.host, "--actions", "pull"])).exitCode).toBe(2);
    expect((await as("stranger", ["whoami", berth.host])).stderr).toContain("log in");
  });
});

describe("berth repo ls and tags ls", () => {
  test("who is not logged in is told that a login may show more, and not what there is", async () => {
    await succeed("admin", ["user", "add", berth.host, "pat", "--password-stdin"], "pat's password");
    await pushImage(berth.url, "hidden/app", "1", [], basic("admin", "a new password"));
    const nobody = await as("stranger", ["repo", "ls", berth.host]);
    expect(nobody).toMatchObject({ exitCode: 0, stdout: "" });
    expect(hostless(nobody.stderr)).toBe(
      "berth: warning: HOST shows nothing without a login: berth login HOST\n",
    );
    const answers = await Promise.all(
      ["hidden/app", "absent/app"].map(async (name) => {
        const { stderr, ...rest } = await as("stranger", ["tags", "ls", `${berth.host}/${name}`]);
        return { ...rest, stderr: stderr.replaceAll(name, "NAME") };
      }),
    );
    expect(answers[0]).toEqual(answers[1] as NonNullable<(typeof answers)[1]>); // two names give two answers
    expect(answers[0]).toMatchObject({ exitCode: 1, stdout: "" });
    expect(answers[0]?.stderr).toContain("log in to pull from NAME");
    await logIn("pat", "pat's password");
    expect(await as("pat", ["repo", "ls", berth.host])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  });
});

describe("berth audit", () => {
  test("audit shows who did what, and that nobody changed the record", async () => {
    const all = await succeed("admin", ["audit", berth.host, "--limit", "0"]);
    expect(all).toMatch(/^WHEN +WHO +BY +WHAT +OUTCOME +ON +FROM +WHY\n/);
    expect(all).toMatch(/admin +password +login +done +127\.0\.0\.1 *\n/);
    expect(all).toMatch(/alice +password +login +done +127\.0\.0\.1 *\n/);
    expect(all).toMatch(/ci +token \w+ +login +done +127\.0\.0\.1 *\n/);
    expect(all).toMatch(/admin +login \w+ +account.create +done +alice +127\.0\.0\.1 +person\n/);
    expect(all).toMatch(/admin +login \w+ +grant.add +done +ci +127\.0\.0\.1 +reader on gallery\/\*\n/);
    const lines = (await succeed("admin", ["audit", berth.host, "--json", "--action", "token.create"]))
      .trim()
      .split("\n");
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ actor: "admin", outcome: "done" }]);
    expect(await succeed("admin", ["audit", "verify", berth.host])).toMatch(
      /^The record is whole: \d+ entries/,
    );
  });

  test("audit has no secret, nor has the log", async () => {
    const record = await succeed("admin", ["audit", berth.host, "--json", "--limit", "0"]);
    const printed = record + berth.process.output().replace(/^The first account is .*$/m, "");
    const secrets = [berth.adminPassword, "alice's password", "another password", "bob's password", "not it"];
    for (const secret of secrets) expect(printed).not.toContain(secret);
    expect(printed).not.toMatch(/berth_(pat|robot|refresh)_|eyJ/);
  });
});
