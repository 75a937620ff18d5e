import { open } from "node:fs/promises";
import { RegistryError } from "../../oci/errors.ts";
import { errorCode } from "../../registry/files/durable.ts";
import { hashFile } from "../../registry/files/hash-file.ts";
import { createHasher } from "../../registry/hash.ts";
import { isWhole, type ListedPoint, type Point } from "./target.ts";

/**
 * What is wrong with the metadata of a point, before anybody opens them: a damaged database may answer anything.
 * Reads them to their end. @throws `signal.reason`
 */
export async function findMetadataFault(
  { database, metadata: { digest, size } }: Point,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const hasher = createHasher("sha256");
  let read: number;
  try {
    await using file = await open(database);
    read = await hashFile(file, hasher, { signal });
  } catch (error) {
    if (errorCode(error) === "") throw error;
    return `metadata.db cannot be read: ${String(error)}`;
  }
  if (read !== size) return `metadata.db has ${read} bytes, not ${size}`;
  const found = hasher.digest();
  return found === digest ? undefined : `metadata.db has the digest ${found}, not ${digest}`;
}

/** @throws RegistryError DIGEST_INVALID; `signal.reason` */
export async function requireWholeMetadata(point: Point, signal: AbortSignal): Promise<void> {
  const fault = await findMetadataFault(point, signal);
  if (fault !== undefined) throw damagedMetadata(point, fault);
}

export function damagedMetadata({ name }: Point, fault: string): RegistryError {
  return new RegistryError(
    "DIGEST_INVALID",
    `the metadata of point ${name} are damaged (${fault}): restore another point with --at`,
  );
}

/** Parts points into those that can be read, and the names of those that cannot, each in the same order. */
export async function partPoints(
  points: readonly ListedPoint[],
): Promise<{ readonly whole: readonly Point[]; readonly damaged: readonly string[] }> {
  const whole: Point[] = [];
  const damaged: string[] = [];
  for (const point of points) {
    if (isWhole(point) && (await findMetadataFault(point)) === undefined) whole.push(point);
    else damaged.push(point.name);
  }
  return { whole, damaged };
}
