import { stat, unlink } from "node:fs/promises";
import { basename } from "node:path";
import type { Digest } from "../../oci/digests.ts";
import { quote, RegistryError } from "../../oci/errors.ts";
import { syncFolder } from "../../registry/files/durable.ts";
import type { LayoutContents, LayoutState } from "../contents.ts";
import { emptyDocument, formatDocument, type IndexDocument, parseDocument, placesOf } from "../document.ts";
import { formatLinks, type Links, noLinks, parseLinks, unionOf, withoutEmptyPlaces } from "../links.ts";
import { checkLayoutVersion, layoutVersionBytes } from "../version.ts";
import {
  createFolderFiles,
  ignoreMissing,
  isMissing,
  type LayoutPaths,
  namesIn,
  readIfThere,
  removeTemporaries,
  replaceFile,
} from "./files.ts";
import { takeLock } from "./lock.ts";

/** What a change led to. */
export interface Change<T> {
  /** What the layout says from now on; as before, if absent. */
  readonly index?: IndexDocument;
  readonly links?: Links;
  /** Blobs that may be removed once that is written: nothing needs them. */
  readonly garbage?: readonly Digest[];
  readonly value: T;
}

/** A layout in a folder, and how it is changed. */
export interface LayoutDisk extends LayoutContents {
  readonly paths: LayoutPaths;
  /**
   * Changes what the layout says, while no other process does. Files that `decide` gives names among the blobs have to
   * be durable. Resolves when all of it is. Several changes that come at once are written together.
   */
  change<T>(decide: (state: LayoutState) => Promise<Change<T>>): Promise<T>;
}

interface Waiting {
  decide(state: LayoutState): Promise<Change<unknown>>;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** Opens a layout's folder, which is made by the first change. */
export function createDisk(paths: LayoutPaths): LayoutDisk {
  const files = createFolderFiles(paths);
  const read = createStateReader(paths);
  let waiting: Waiting[] = [];
  let isWriting = false;

  const writeWaiting = async (): Promise<void> => {
    if (isWriting) return;
    isWriting = true;
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      await writeBatch(paths, read, batch).catch((error: unknown) => {
        for (const { reject } of batch) reject(error);
      });
    }
    isWriting = false;
  };

  return {
    paths,
    files,
    current: read,
    change: <T>(decide: (state: LayoutState) => Promise<Change<T>>) =>
      new Promise<T>((resolve, reject) => {
        // safe: `decide` gives what `resolve` takes
        waiting.push({ decide, resolve: resolve as (value: unknown) => void, reject });
        void writeWaiting();
      }),
  };
}

async function writeBatch(
  paths: LayoutPaths,
  read: () => Promise<LayoutState>,
  batch: readonly Waiting[],
): Promise<void> {
  const lock = await takeLock(paths.lock);
  const done: (() => void)[] = [];
  try {
    await removeTemporaries(paths);
    const before = await read();
    let state = before;
    const garbage: Digest[] = [];
    for (const { decide, resolve, reject } of batch) {
      try {
        const made = await decide(state);
        state = { index: made.index ?? state.index, links: made.links ?? state.links };
        garbage.push(...(made.garbage ?? []));
        done.push(() => resolve(made.value));
      } catch (error) {
        done.push(() => reject(error));
      }
    }
    await lock.check();
    await write(paths, before, state);
    for (const digest of garbage) await unlink(paths.blob(digest)).catch(ignoreMissing);
  } finally {
    await lock.release();
  }
  for (const tell of done) tell();
}

/** What is linked is written before index.json may name it no more, and forgotten after index.json names it. */
async function write(paths: LayoutPaths, before: LayoutState, after: LayoutState): Promise<void> {
  const links = withoutEmptyPlaces(after.links, placesOf(after.index));
  const [linkBytes, oldLinkBytes] = [formatLinks(links), formatLinks(before.links)];
  const indexChanges = after.index !== before.index;
  const linksChange = Buffer.compare(linkBytes, oldLinkBytes) !== 0;
  if (!indexChanges && !linksChange) return;
  const isNew = (await readIfThere(paths.version)) === undefined;
  if (indexChanges && linksChange) await writeLinks(paths, unionOf(before.links, links));
  if (isNew) await replaceFile(paths, paths.version, layoutVersionBytes);
  if (indexChanges || isNew) await replaceFile(paths, paths.index, formatDocument(after.index));
  if (linksChange) await writeLinks(paths, links);
  await syncFolder(paths.folder);
}

async function writeLinks(paths: LayoutPaths, links: Links): Promise<void> {
  if (links.size > 0) await replaceFile(paths, paths.links, formatLinks(links));
  else await unlink(paths.links).catch(ignoreMissing);
}

/** Reads what a layout says, again only when its files have changed. */
function createStateReader(paths: LayoutPaths): () => Promise<LayoutState> {
  let known: { readonly mark: string; readonly state: LayoutState } | undefined;
  return async () => {
    const mark = `${await markOf(paths.index)} ${await markOf(paths.links)}`;
    if (known?.mark === mark) return known.state;
    const indexBytes = await readIfThere(paths.index);
    if (indexBytes) await checkVersion(paths);
    else await refuseOtherFolder(paths);
    const linkBytes = await readIfThere(paths.links);
    const state: LayoutState = {
      index: indexBytes ? parseDocument(indexBytes, paths.index) : emptyDocument,
      links: linkBytes ? parseLinks(linkBytes, paths.links) : noLinks,
    };
    known = { mark, state };
    return state;
  };
}

/** What changes whenever a file is replaced. */
async function markOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    if (isMissing(error)) return "none";
    throw error;
  }
}

// "The oci-layout JSON object serves as a marker for the base of an Open Container Image Layout and to provide the
// version of the image-layout in use." https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
async function checkVersion({ folder, version }: LayoutPaths): Promise<void> {
  const bytes = await readIfThere(version);
  if (!bytes) {
    throw new RegistryError(
      "MANIFEST_INVALID",
      `${folder} is not an OCI image layout: it has no file oci-layout`,
    );
  }
  checkLayoutVersion(bytes, version);
}

/** A folder with other files is not made a layout. */
async function refuseOtherFolder({ folder, own }: LayoutPaths): Promise<void> {
  const isFile = (await stat(folder).catch(ignoreMissing))?.isDirectory() === false;
  if (isFile) throw new RegistryError("MANIFEST_INVALID", `${folder} is not an OCI image layout, but a file`);
  const ours = ["oci-layout", "blobs", basename(own)];
  const other = (await namesIn(folder)).find((name) => !ours.includes(name));
  if (other === undefined) return;
  throw new RegistryError(
    "MANIFEST_INVALID",
    `${folder} is not an OCI image layout: it has no file index.json, but ${quote(other)}`,
  );
}
