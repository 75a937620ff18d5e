import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type Digest, isDigest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import { readJson } from "../../oci/json.ts";
import { errorCode, makeDurableFolder, syncFolder } from "../../registry/files/durable.ts";
import { isLockFile } from "../lock.ts";
import { unfinishedEnding, writeJsonFile } from "./json-files.ts";

/** The file that says that a folder holds backups, and of which store. */
export const markName = "berth-backup.json";
const pointsName = "points";

const mark = z.object({ format: z.literal(1), store: z.string() });

const digest = z.string().refine(isDigest);
const pointFile = z.object({
  format: z.literal(1),
  /** RFC 3339: the state of which moment it is. */
  at: z.iso.datetime(),
  metadata: z.object({ size: z.number(), digest }),
  blobs: z.number(),
  bytes: z.number(),
  /** Blobs that were lost or damaged when the backup was made. */
  lost: z.array(digest),
});

/** What is known of a point. */
export type PointFacts = Omit<z.infer<typeof pointFile>, "format" | "lost"> & {
  readonly lost: readonly Digest[];
};

/** The state of a store at one moment, in a folder of backups. */
export interface Point extends PointFacts {
  /** Such as `2026-11-25T14-00-00Z`: in the order of time. */
  readonly name: string;
  /** Where its metadata are. */
  readonly database: string;
}

/** A point of which only its folder is known. */
export interface DamagedPoint {
  readonly name: string;
  /** What is wrong with it. */
  readonly damage: string;
}

/** What stands in a folder of backups. */
export type ListedPoint = Point | DamagedPoint;

export function isWhole(point: ListedPoint): point is Point {
  return !("damage" in point);
}

/** Where the blobs of all points are, as in a store. */
export function blobFolderOf(target: string): string {
  return join(target, "blobs");
}

/**
 * Makes a folder one of backups, or checks that it is one of this store's.
 * @throws RegistryError CONFLICT when it is something else
 */
export async function prepareTarget(target: string, store: string): Promise<void> {
  const found = await readMark(target);
  if (found === undefined) {
    const entries = await readdir(target).catch(orNothing([]));
    const begun = [`${markName}${unfinishedEnding}`, "lost+found"];
    if (entries.some((name) => !isLockFile(name) && !begun.includes(name))) {
      throw new RegistryError(
        "CONFLICT",
        `${target} is not empty and holds no backups of Berth: choose another folder`,
      );
    }
    await writeJsonFile(join(target, markName), { format: 1, store });
  } else if (found !== store) {
    throw new RegistryError(
      "CONFLICT",
      `${target} holds the backups of another store: choose another folder`,
    );
  }
  await mkdir(join(target, pointsName), { recursive: true, mode: 0o700 });
  await makeDurableFolder(blobFolderOf(target));
  for (const name of await readdir(join(target, pointsName))) {
    // What a backup had begun that was broken off, and what it was removing.
    const [, point = ""] = /^(.*)\.(?:partial|removed)$/.exec(name) ?? [];
    if (isPointName(point)) await rm(join(target, pointsName, name), { recursive: true });
  }
}

/** Which store's backups are in a folder; `undefined` when there are none. */
async function readMark(target: string): Promise<string | undefined> {
  const text = await readFile(join(target, markName), "utf8").catch(orNothing(undefined));
  if (text === undefined) return undefined;
  const parsed = mark.safeParse(readJson(text));
  if (parsed.success) return parsed.data.store;
  throw new RegistryError("UNSUPPORTED", `${join(target, markName)} is damaged, or of a newer Berth`);
}

/**
 * The points in a folder of backups, the oldest first, also those that are damaged.
 * @throws RegistryError NAME_UNKNOWN when it is no such folder
 */
export async function listPoints(target: string): Promise<readonly ListedPoint[]> {
  if ((await readMark(target)) === undefined) {
    const entries = await readdir(target).catch(orNothing([]));
    const isStore = entries.some((name) => name === "metadata.db");
    const found = isStore ? "it is a data folder, which goes behind --data" : `it has no ${markName}`;
    throw new RegistryError("NAME_UNKNOWN", `there are no backups in ${target}: ${found}`);
  }
  const names = (await readdir(join(target, pointsName)).catch(orNothing([]))).filter(isPointName);
  names.sort(byTime);
  return Promise.all(names.map((name) => readPoint(target, name)));
}

async function readPoint(target: string, name: string): Promise<ListedPoint> {
  const folder = join(target, pointsName, name);
  const path = join(folder, "point.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "") throw error;
    return { name, damage: `${path} cannot be read: ${String(error)}` };
  }
  const parsed = pointFile.safeParse(readJson(text));
  if (!parsed.success) return { name, damage: `${path} is damaged, or of a newer Berth` };
  return { ...parsed.data, name, database: join(folder, "metadata.db") };
}

/** A point that is being made: nobody sees it before it is published. */
export interface NewPoint {
  readonly database: string;
  publish(facts: Omit<PointFacts, "at">): Promise<Point>;
}

export async function beginPoint(target: string, at: Date): Promise<NewPoint> {
  const points = join(target, pointsName);
  const seconds = at.toISOString().replace(/\.\d+Z$/, "Z");
  const taken = new Set(await readdir(points));
  const second = seconds.replaceAll(":", "-");
  let name = second;
  for (let more = 2; taken.has(name); more++) name = `${second}-${more}`;
  const folder = join(points, `${name}.partial`);
  await mkdir(folder, { mode: 0o700 });
  return {
    database: join(folder, "metadata.db"),
    async publish(facts) {
      const known = { ...facts, at: seconds };
      await writeJsonFile(join(folder, "point.json"), { format: 1, ...known });
      await rename(folder, join(points, name));
      await syncFolder(points);
      return { ...known, name, database: join(points, name, "metadata.db") };
    },
  };
}

/** When a point was made, by its name. */
export function madeAt({ name }: ListedPoint): Date {
  const [day, time = ""] = name.slice(0, 20).split("T");
  return new Date(`${day}T${time.replaceAll("-", ":")}`);
}

/** Removes a point; its blobs stay. */
export async function removePoint(target: string, { name }: Point): Promise<void> {
  const points = join(target, pointsName);
  await rename(join(points, name), join(points, `${name}.removed`));
  await syncFolder(points);
  await rm(join(points, `${name}.removed`), { recursive: true });
}

/** Of several points of one second, the second is `...Z-2`. */
function byTime(a: string, b: string): number {
  const [second, other] = [a.slice(0, 20), b.slice(0, 20)];
  if (second !== other) return second < other ? -1 : 1;
  return Number(a.slice(21) || 1) - Number(b.slice(21) || 1);
}

function isPointName(name: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(?:-\d+)?$/.test(name);
}

function orNothing<T>(otherwise: T): (error: unknown) => T {
  return (error) => {
    if (errorCode(error) !== "ENOENT") throw error;
    return otherwise;
  };
}
