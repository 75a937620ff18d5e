import type { Digest } from "../oci/digests.ts";
import type { RepositoryName } from "../oci/names.ts";
import type { PullRecord } from "./metadata/tags.ts";

/** Remembers when manifests were pulled, so that a pull writes nothing. What a crash loses is the last few minutes. */
export interface PullMemory {
  /** A manifest was asked for. Adds to a map and does nothing else. */
  note(repository: RepositoryName, digest: Digest): void;
  /** Writes down what was noted since the last time. @throws what `record` throws; then it is tried again next time */
  flush(): Promise<void>;
}

/** The most manifests remembered; further ones are not noted until the next flush. */
const maxNoted = 100_000;
/** The most records of one transaction. */
const batchSize = 500;

/** Makes a memory that writes with `record`. */
export function createPullMemory(record: (pulls: readonly PullRecord[]) => Promise<void>): PullMemory {
  let noted = new Map<RepositoryName, Map<Digest, number>>();
  let count = 0;
  const note = (repository: RepositoryName, digest: Digest, at: number): void => {
    let digests = noted.get(repository);
    if (!digests) {
      digests = new Map();
      noted.set(repository, digests);
    }
    if (!digests.has(digest)) {
      if (count >= maxNoted) return;
      count++;
    }
    digests.set(digest, at);
  };
  return {
    note: (repository, digest) => note(repository, digest, Date.now()),
    async flush() {
      const taken = noted;
      noted = new Map();
      count = 0;
      const records = Array.from(taken, ([repository, digests]) =>
        Array.from(digests, ([digest, at]): PullRecord => ({ repository, digest, at: new Date(at) })),
      ).flat();
      for (let start = 0; start < records.length; start += batchSize) {
        const batch = records.slice(start, start + batchSize);
        try {
          await record(batch);
        } catch (error) {
          for (const { repository, digest, at } of records.slice(start)) {
            if (!noted.get(repository)?.has(digest)) note(repository, digest, at.getTime());
          }
          throw error;
        }
      }
    },
  };
}
