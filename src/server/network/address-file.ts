import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RegistryError } from "../../oci/errors.ts";
import { errorCode } from "../../registry/files/durable.ts";

/** Stands beside the metadata while a Berth serves the folder; also after one that was killed. */
const name = "address";

/** Writes down where the Berth of a data folder listens, for other programs on this machine. @returns what takes it away */
export async function writeAddress(folder: string, address: string): Promise<() => Promise<void>> {
  const file = join(folder, name);
  await writeFile(file, `${address}\n`);
  return () => rm(file, { force: true });
}

/**
 * Where the Berth of a data folder listens, as this machine reaches it: `http://127.0.0.1:5000`.
 * @throws RegistryError UNAVAILABLE when none serves the folder
 */
export async function readAddress(folder: string): Promise<string> {
  const text = await readFile(join(folder, name), "utf8").catch((cause: unknown) => {
    if (errorCode(cause) !== "ENOENT") throw cause;
    throw new RegistryError(
      "UNAVAILABLE",
      `no Berth serves the data folder ${folder}: start one, or name its folder with --data`,
      { cause },
    );
  });
  return fromThisMachine(text.trim());
}

/** An address that a server listens on, as its own machine reaches it: not the one that stands for them all. */
export function fromThisMachine(address: string): string {
  return address.replace(/\/\/0\.0\.0\.0(?=:)/, "//127.0.0.1").replace(/\/\/\[::\](?=:)/, "//[::1]");
}
