import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { RegistryError } from "../../../oci/errors.ts";
import { schemaVersion } from "./schema.ts";

// https://www.sqlite.org/fileformat2.html#the_database_header
const magic = "SQLite format 3\0";
const headerSize = 100;
const pageCountAt = 28;
const userVersionAt = 60;

/**
 * Refuses a database that is not one of this Berth's by what its file says, without opening it: that alone may change it.
 * @throws RegistryError UNAVAILABLE
 */
export async function requireOwnDatabase(path: string): Promise<void> {
  const header = await readHeader(path);
  if (header.length === 0) return; // made a moment before a crash
  if (header.length < headerSize || header.toString("latin1", 0, magic.length) !== magic) {
    throw new RegistryError(
      "UNAVAILABLE",
      `${path} is damaged, or another program's: put it back from a backup, or choose another folder with --data`,
    );
  }
  const version = header.readUInt32BE(userVersionAt);
  if (version > schemaVersion) {
    throw new RegistryError(
      "UNAVAILABLE",
      `${path} has schema version ${version}, this Berth knows up to ${schemaVersion}: start the newer Berth that wrote it, or choose another folder with --data`,
    );
  }
  // With a log beside it, the version may stand in that.
  const isEmpty = header.readUInt32BE(pageCountAt) <= 1;
  if (version === 0 && !isEmpty && !existsSync(`${path}-wal`)) {
    throw new RegistryError(
      "UNAVAILABLE",
      `${path} is another program's database: choose an empty or a new folder with --data`,
    );
  }
}

async function readHeader(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const header = Buffer.alloc(headerSize);
    const { bytesRead } = await file.read(header, 0, headerSize, 0);
    return header.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
