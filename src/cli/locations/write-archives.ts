import { rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { writeArchive } from "../../layout/archive/files.ts";
import type { ImageToSave } from "../../layout/archive/gather.ts";
import { archiveOf } from "../../layout/archive/write.ts";
import { dockerArchiveOf } from "../../layout/archive/write-docker.ts";
import { openLayout } from "../../layout/layout.ts";
import type { Platform } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { defaultTag } from "../../oci/references.ts";
import type { Place } from "../../registry/copy/place.ts";
import type { Context, Surroundings } from "../command.ts";
import { copyWords } from "../output/progress/words.ts";
import type { ArchiveLocation } from "./locations.ts";
import type { OpenedSource } from "./open-locations.ts";
import { transfer, type transferFlags } from "./transfers.ts";

type ArchiveContext = Surroundings & Pick<Context<typeof transferFlags>, "flags">;

/** What was written. */
export interface WrittenArchive {
  /** Of the image in it. */
  readonly digest: Digest;
  /** Bytes of the file. */
  readonly size: number;
}

/**
 * Writes one image into an archive, which is there once it is whole; what was there before is replaced.
 *
 * An image of another machine is collected first in a hidden folder beside the archive. It stays when that breaks off,
 * so that the same command goes on there, and goes when the archive is written.
 */
export async function writeToArchive(
  context: ArchiveContext,
  source: OpenedSource,
  destination: ArchiveLocation,
  platforms: readonly Platform[],
): Promise<WrittenArchive> {
  const path = resolve(context.cwd, destination.path);
  const { registry, repository, tag = source.name.tag ?? defaultTag } = destination.name ?? source.name;
  const name = { registry, repository, tag };
  if (source.isNear && platforms.length === 0) {
    return write(context, destination, path, { ...source, digest: await digestAt(source), name });
  }
  const folder = join(dirname(path), `.${basename(path)}.partial`);
  const collected: Place = {
    registry: openLayout(folder).at(source.name.registry),
    repository: source.repository,
  };
  const { digest, tag: sourceTag = defaultTag } = source.name;
  const { descriptor } = await transfer(context, {
    source: { ...source, ...(digest ? { digest } : { tag: sourceTag }) },
    destination: { ...collected, tags: [] },
    platforms,
    mountsFrom: () => [undefined],
    words: copyWords,
    near: collected,
  });
  const written = await write(context, destination, path, { ...collected, digest: descriptor.digest, name });
  await rm(folder, { recursive: true });
  return written;
}

async function digestAt({ registry, repository, name }: OpenedSource): Promise<Digest> {
  return name.digest ?? (await registry.resolveTag(repository, name.tag ?? defaultTag)).digest;
}

async function write(
  { signal }: ArchiveContext,
  { kind }: ArchiveLocation,
  path: string,
  image: ImageToSave,
): Promise<WrittenArchive> {
  const options = { signal };
  const pieces =
    kind === "oci-archive"
      ? archiveOf([image], options)
      : dockerArchiveOf([image], { ...options, scratch: dirname(path) });
  return { digest: image.digest, size: await writeArchive(path, pieces, options) };
}
