import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "../../registry/files/durable.ts";

/** What a file is called until it is whole. */
export const unfinishedEnding = ".unfinished";

/** Writes a small file as JSON, whole or not at all, and readable to its owner alone. Resolves when it is durable. */
export async function writeJsonFile(path: string, value: object): Promise<void> {
  const unfinished = path + unfinishedEnding;
  {
    await using file = await open(unfinished, "w", 0o600);
    await file.writeFile(`${JSON.stringify(value)}\n`);
    await file.sync();
  }
  await rename(unfinished, path);
  await syncFolder(dirname(path));
}
