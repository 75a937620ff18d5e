import { describe, expect, test } from "bun:test";
import { arrangeTags } from "./tree.ts";

describe("arrangeTags", () => {
  test("arrangeTags puts versions below their floating tags, the highest first", () => {
    const tags = [
      "1",
      "1.9",
      "1.9.0",
      "1.10.0",
      "2",
      "2.1",
      "2.1.3",
      "2.1.3-alpine",
      "2-alpine",
      "latest",
      "main",
    ];
    expect(arrangeTags(tags).map(({ tag, branches }) => branches + tag)).toEqual([
      "latest",
      "main",
      "2-alpine",
      "└─ 2.1.3-alpine",
      "2",
      "└─ 2.1",
      "   └─ 2.1.3",
      "1",
      "├─ 1.10.0",
      "└─ 1.9",
      "   └─ 1.9.0",
    ]);
  });

  test("arrangeTags keeps every tag once, whatever it is called", () => {
    const tags = ["v1", "v1.2.3", "1.2.3", "1..2", "2024", "_", "1.2.3-rc.1", "a.b"];
    expect(
      arrangeTags(tags)
        .map(({ tag }) => tag)
        .sort(),
    ).toEqual([...tags].sort());
  });
});
