import { expect, test } from "bun:test";
import { startCheckpointer } from "./checkpointer.ts";

test("close ends also when the thread has died, and says why it did", async () => {
  const told = Promise.withResolvers<string>();
  const checkpointer = startCheckpointer("/no/such/folder/metadata.db", told.resolve);
  expect(await told.promise).toContain("the thread for it has ended");
  await checkpointer.close();
});
