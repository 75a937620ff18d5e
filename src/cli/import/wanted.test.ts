import { describe, expect, test } from "bun:test";
import { parseTag } from "../../oci/names.ts";
import { digestOf } from "../../registry/hash.ts";
import { UsageError } from "../command.ts";
import { chooseTags, parseList, parseWanted } from "./wanted.ts";

const none = { repositories: [], tags: [], list: undefined };

describe("parseWanted", () => {
  test("parseWanted wants everything when nothing is asked for", () => {
    const wanted = parseWanted(none);
    expect([wanted.repository("a/b"), wanted.tag("1"), wanted.everyTag, wanted.named]).toEqual([
      true,
      true,
      true,
      undefined,
    ]);
  });

  test("parseWanted needs no list of a registry when all that is asked for are names", () => {
    expect(parseWanted({ ...none, repositories: ["a/b", "c"] }).named?.map(String)).toEqual(["a/b", "c"]);
    expect(parseWanted({ ...none, repositories: ["a/*", "c"] }).named).toBeUndefined();
    expect(parseWanted({ ...none, list: ["a/b"] }).named?.map(String)).toEqual(["a/b"]);
  });

  test("parseWanted wants of a file what patterns do not leave out", () => {
    const wanted = parseWanted({ ...none, repositories: ["a/**"], list: ["a/b", "c"] });
    expect(wanted.named?.map(String)).toEqual(["a/b"]);
    expect(["a/b", "a/c", "c"].filter(wanted.repository)).toEqual(["a/b"]);
  });

  test("parseWanted refuses what is no pattern, and what is no name in a file", () => {
    expect(() => parseWanted({ ...none, repositories: ["A B"] })).toThrow(UsageError);
    expect(() => parseWanted({ ...none, list: ["a/*"] })).toThrow(UsageError);
  });
});

test("parseList takes a name a line, once, without comments", () => {
  expect(parseList("# all\na/b # one\n\n  c\r\na/b\n")).toEqual(["a/b", "c"]);
});

test("chooseTags takes with a tag those that clients made of its digest, and no others", () => {
  const [one, other] = ["1", "2"].map((text) => digestOf(new TextEncoder().encode(text)));
  if (!one || !other) throw new Error("there are two");
  const derived = [one, other].map((digest) => `${digest.replace(":", "-")}`);
  const names = ["1.0", "2.0", `${derived[0]}`, `${derived[0]}.sig`, `${derived[1]}.sig`, "sha256-short"];
  const tags = new Map(names.map((name) => [parseTag(name), { digest: name === "1.0" ? one : other }]));
  const chosen = chooseTags(tags, parseWanted({ ...none, tags: ["1.*"] }));
  expect([...chosen.keys()].map(String)).toEqual(["1.0", `${derived[0]}`, `${derived[0]}.sig`]);
  expect(chooseTags(tags, parseWanted(none))).toBe(tags);
});
