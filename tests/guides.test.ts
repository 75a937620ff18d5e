import { describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { isAsShown, parseGuide, runGuide } from "./fixtures/guides.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";

const fence = "```";
const guide = `# A guide
$ this is no command

${fence}sh
$ neither is this
${fence}

${fence}console
$ echo a; \\
  echo b
a
b
$ true
${fence}

${fence}console fails
$ false
${fence}
`;

describe("parseGuide", () => {
  test("parseGuide finds commands and what they print in console blocks alone", () => {
    expect(parseGuide(guide)).toEqual([
      { line: 9, command: "echo a; \\\n  echo b", expected: ["a", "b"], fails: false },
      { line: 13, command: "true", expected: [], fails: false },
      { line: 17, command: "false", expected: [], fails: true },
    ]);
  });
});

describe("isAsShown", () => {
  test.each([
    ["", [], true],
    ["a\n", [], false],
    ["", ["a"], false],
    ["a\nb\n", ["a", "b"], true],
    ["a\nb\n", ["b", "a"], false],
    ["a\n", ["a.*"], false],
    ["a\nb\nc\n", ["a", "..."], true],
    ["a\n", ["a", "..."], true],
    ["b\n", ["a", "..."], false],
    ["x\na\ny\n", ["...", "a", "..."], true],
    ["digest: sha256:abc size: 7\n", ["digest: ... size: 7"], true],
    ["digest: sha256:abc\nsize: 7\n", ["digest: ... size: 7"], false],
    ["NAME      SIZE  \na         1\n", ["NAME    SIZE", "a     1"], true],
    ["a b\n", ["a  b"], true],
    ["ab\n", ["a  b"], false],
  ])("isAsShown compares %j with %j: %p", (output, expected, result) => {
    expect(isAsShown(output, expected)).toBe(result);
  });
});

describe("runGuide", () => {
  async function run(text: string): Promise<void> {
    const folder = await makeTemporaryFolder();
    try {
      const path = join(folder, "guide.md");
      await Bun.write(path, text);
      await runGuide(path, { cwd: folder, env: { WHO: "me" }, replace: { "localhost:5000": "127.0.0.1:1" } });
    } finally {
      await rm(folder, { recursive: true });
    }
  }
  const block = (lines: string, kind = "console") => run(`${fence}${kind}\n${lines}\n${fence}\n`);

  test("runGuide runs a guide in one shell, with what it stands for replaced", async () => {
    await run(guide);
    await block("$ cd /; name=localhost:5000\n$ echo $PWD $name $WHO\n/ localhost:5000 me\n$ cat");
    await block("$ echo out; echo err >&2\nout\nerr");
  });

  test("runGuide says where a command prints something else, fails, or does not", async () => {
    await expect(block("$ true\n$ echo a\nb")).rejects.toThrow(
      /guide\.md:3: echo a\n.*exit code 0.*printed\na\n\n-- instead of\nb$/s,
    );
    await expect(block("$ false")).rejects.toThrow("ended with exit code 1");
    await expect(block("$ true", "console fails")).rejects.toThrow("should fail");
    await expect(block("$ exit 3")).rejects.toThrow("bash ended");
  });
});
