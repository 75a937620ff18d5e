import type { Digest } from "../oci/digests.ts";
import type { BlobSource } from "../registry/registry.ts";
import type { IndexDocument } from "./document.ts";
import type { Links } from "./links.ts";

/** A blob that lies in a layout, whichever place it belongs to. */
export interface FoundBlob {
  readonly size: number;
  readonly source: BlobSource;
}

/** Where the blobs of a layout are: in a folder, or in an archive. */
export interface LayoutFiles {
  /** What it is called in messages. */
  readonly name: string;
  findBlob(digest: Digest): Promise<FoundBlob | undefined>;
  /** The bytes of what is small enough to be a manifest; `undefined` when it is not there or larger. */
  readManifest(digest: Digest): Promise<Uint8Array | undefined>;
}

/** What a layout says of itself at one moment. */
export interface LayoutState {
  readonly index: IndexDocument;
  readonly links: Links;
}

/** A layout that can be read. */
export interface LayoutContents {
  readonly files: LayoutFiles;
  current(): Promise<LayoutState>;
}
