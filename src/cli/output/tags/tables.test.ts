import { expect, test } from "bun:test";
import { formatLines } from "./tables.ts";

test("formatLines names a new manifest where one is pushed, and none where a removal is refused", () => {
  const line = { tag: "2.2.0", action: "refuse", from: `sha256:${"a".repeat(64)}`, reason: "is immutable" };
  const [, push, removal] = formatLines([
    { ...line, cause: "push" },
    { ...line, cause: "delete" },
  ]).split("\n");
  expect(push).toMatch(/^2\.2\.0 +refuse +a{12} +the new one +is immutable$/);
  expect(removal).toMatch(/^2\.2\.0 +refuse +a{12} +- +is immutable$/);
});
