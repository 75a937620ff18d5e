/**
 * OCI image layouts and `docker save` archives as registries. Runs on Bun and on Node 20 or newer.
 *
 * @module
 */
export { unpackArchive, writeArchive } from "./archive/files.ts";
export type { ImageToSave } from "./archive/gather.ts";
export { type LayoutArchive, openArchive } from "./archive/open.ts";
export { type ArchiveOptions, archiveOf, hostPlatform } from "./archive/write.ts";
export { type DockerArchiveOptions, dockerArchiveOf } from "./archive/write-docker.ts";
export type { Entry as LayoutEntry } from "./document.ts";
export type { Collected } from "./folder/collect.ts";
export { type ImageFile, type ImageFiles, withLayer } from "./layer-files.ts";
export { type Layout, openLayout } from "./layout.ts";
export { type EntryName, type PlaceName, plainPlace } from "./names.ts";
