/**
 * OCI image layouts and `docker save` archives as registries. Runs on Bun and on Node 20 or newer.
 *
 * @module
 */
export type { Entry as LayoutEntry } from "./document.ts";
export type { Collected } from "./folder/collect.ts";
export { type Layout, openLayout } from "./layout.ts";
export { type EntryName, type PlaceName, plainPlace } from "./names.ts";
