/** For how long somebody may count on a blob that no manifest names, in milliseconds. */
export interface BlobLeases {
  /** Since it was uploaded or mounted. */
  readonly uploadedMs: number;
  /** Since somebody was told that it exists. */
  readonly toldMs: number;
}

/** A day for what was uploaded, an hour for what was asked about. */
export const defaultLeases: BlobLeases = { uploadedMs: 24 * 3_600_000, toldMs: 3_600_000 };

/** Collection as the metadata know it. Part of the metadata; the same promises hold. */
export interface CollectionMetadata {
  /**
   * While somebody reads the whole store, a backup for example: nothing is removed, neither rows nor files, before
   * `until`. Renew it well before.
   * @param holder for people: `backup to /mnt/backup`
   * @returns the hold's id
   */
  hold(holder: string, until: Date): Promise<number>;
  /** Resolves to whether the hold is still there; if it is not, what it protected may be gone. */
  renewHold(id: number, until: Date): Promise<boolean>;
  releaseHold(id: number): Promise<void>;
}
