import { describe, expect, test } from "bun:test";
import { defineCommand } from "../command.ts";
import type { CommandTable } from "../table.ts";
import { complete } from "./completion.ts";

const list = defineCommand({
  operands: {
    image: { value: "IMAGE", completion: "image" },
    files: { value: "FILE", optional: true, multiple: true, completion: "file" },
  },
  flags: {
    quiet: { type: "switch", short: "q", summary: "print less" },
    sort: { type: "text", short: "s", value: "BY", choices: ["name", "age"], summary: "the order" },
    platform: { type: "text", value: "P", multiple: true, summary: "which", completion: "platform" },
    folder: { type: "text", value: "FOLDER", summary: "where", completion: "folder" },
    open: { type: "text", value: "WHO", bare: "push", choices: ["pull", "push"], summary: "who" },
    limit: { type: "number", short: "n", value: "N", summary: "most" },
  },
  run: async () => 0,
});
const shell = defineCommand({
  operands: { shell: { value: "SHELL", choices: ["bash", "zsh"] } },
  flags: {},
  run: async () => 0,
});
const table: CommandTable = [
  {
    title: "All",
    commands: [
      { words: "image ls", summary: "List images", load: async () => list },
      { words: "image rm", summary: "Remove images", load: async () => list },
      { words: "shell", summary: "Teach a shell", load: async () => shell },
    ],
  },
];
const completeLine = (...words: string[]) =>
  complete(table, words, async (kind) => [`${kind}/a:1`, `${kind}/b`]);
const valuesOf = async (...words: string[]) => {
  const completed = await completeLine(...words);
  return typeof completed === "string" ? completed : completed.map(({ value }) => value);
};

describe("complete", () => {
  test("complete gives the first words with what they do, where that is one command", async () => {
    expect(await completeLine("")).toEqual([
      { value: "image" },
      { value: "shell", description: "Teach a shell" },
      { value: "help", description: "Explain a command" },
    ]);
  });

  test.each<[string[], string[] | "files" | "folders"]>([
    [["im"], ["image"]],
    [
      ["image", ""],
      ["ls", "rm"],
    ],
    [["image", "r"], ["rm"]],
    [
      ["help", "image", ""],
      ["ls", "rm"],
    ],
    [
      ["help", ""],
      ["image", "shell"],
    ],
    [["nothing", ""], []],
    [
      ["shell", ""],
      ["bash", "zsh"],
    ],
    [["shell", "z"], ["zsh"]],
    [["shell", "zsh", ""], []],
    [
      ["image", "ls", ""],
      ["image/a:1", "image/b"],
    ],
    [["image", "ls", "image/a:"], ["image/a:1"]],
    [["image", "ls", "x", ""], "files"],
    [["image", "ls", "x", "y", ""], "files"],
    [["image", "ls", "--fo"], ["--folder"]],
    [
      ["image", "ls", "--sort", ""],
      ["name", "age"],
    ],
    [["image", "ls", "--sort=a"], ["--sort=age"]],
    [["image", "ls", "-s", "n"], ["name"]],
    [
      ["image", "ls", "-qs", ""],
      ["name", "age"],
    ],
    [["image", "ls", "-q", "image/b"], ["image/b"]],
    [["image", "ls", "--open", "image/b"], ["image/b"]],
    [
      ["image", "ls", "--open="],
      ["--open=pull", "--open=push"],
    ],
    [["image", "ls", "--limit", ""], []],
    [["image", "ls", "--limit", "3", "image/b"], ["image/b"]],
    [["image", "ls", "--folder", ""], "folders"],
    [
      ["image", "ls", "--platform", ""],
      ["platform/a:1", "platform/b"],
    ],
    [["image", "ls", "--", "--"], []],
    [["image", "ls", "--nonsense="], []],
  ])("complete gives for %p %p", async (words, expected) => {
    expect(await valuesOf(...words)).toEqual(expected);
  });

  test("complete gives the flags with what they do", async () => {
    expect(await completeLine("image", "ls", "-")).toContainEqual({
      value: "--sort",
      description: "the order",
    });
    expect(await valuesOf("image", "ls", "-")).toContain("--help");
  });
});
