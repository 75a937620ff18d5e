import type { Digest } from "../../oci/digests.ts";
import type { Eventually } from "./eventually.ts";

/** What a backup needs of the metadata. */
export interface BackupMetadata {
  /** Tells this store from every other; a restored one has the same. */
  identity(): Eventually<string>;
  /** Writes all metadata as they are at one moment to a new file, while others go on reading and writing. */
  copyInto(path: string): Eventually<void>;
  /**
   * Makes restored metadata fit to be used: nobody holds them, cursors into events that were told after the backup are
   * behind all that comes, and whoever was logged in logs in again.
   * @param lost blobs whose bytes the backup does not have
   * @param madeAt when the backup was made: what has its time then has the rest of it from now on
   */
  adaptRestored(lost: readonly Digest[], madeAt: Date): Promise<void>;
}
