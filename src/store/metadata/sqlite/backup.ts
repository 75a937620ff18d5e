import type { BackupMetadata } from "../backup.ts";
import type { SqliteDatabase } from "./database.ts";

/** More changes than there can have been since a backup was made: ids of events that were told are not told again. */
const changesBetween = 1_000_000_000;
/** Likewise of accounts. */
const accountsBetween = 1_000_000;

/** What does not count any more in restored metadata. */
const obsolete = [
  "DELETE FROM collection_holds",
  "DELETE FROM removed_files",
  "DELETE FROM faults WHERE verification_id IN (SELECT id FROM verifications WHERE finished_at IS NULL)",
  "DELETE FROM verifications WHERE finished_at IS NULL",
  "DELETE FROM lost_blobs",
  // What was signed after the backup names accounts that may be others now.
  "DELETE FROM signing_keys",
  "DELETE FROM credentials WHERE kind = 'refresh'",
  "UPDATE access_state SET version = version + 1",
];

export function createBackupMetadata({ db, prepare, write }: SqliteDatabase): BackupMetadata {
  const identity = prepare<{ id: string }, []>("SELECT id FROM store_identity");
  const lose = prepare<null, [number, string]>(
    "INSERT INTO lost_blobs SELECT id, ?1, 'the backup does not have it' FROM blobs WHERE digest = ?2",
  );
  // A change of no repository is told to nobody.
  const skipChanges = prepare<null, [number, number]>(
    `INSERT INTO changes (id, repository_id, at, actor, kind, moves)
     SELECT coalesce(max(id), 0) + ?1, 0, ?2, 'restore', 'restore', '[]' FROM changes`,
  );
  const skipAccounts = prepare<null, [number]>(
    "UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'accounts'",
  );
  // What could be brought back, or counted on, when the backup was made, can be for the rest of its time.
  const waits = [
    prepare<null, [number]>("UPDATE removed_manifests SET removed_at = removed_at + ?"),
    prepare<null, [number]>("UPDATE blob_links SET held_until = held_until + ? WHERE held_until IS NOT NULL"),
  ];
  return {
    identity: () => identity.get()?.id ?? "",
    copyInto: (path) => void db.run("VACUUM INTO ?", [path]),
    adaptRestored: (lost, madeAt) =>
      write(() => {
        const now = Date.now();
        for (const sql of obsolete) db.run(sql);
        for (const digest of lost) lose.run(now, digest);
        skipChanges.run(changesBetween, now);
        skipAccounts.run(accountsBetween);
        const since = now - madeAt.getTime();
        for (const statement of waits) statement.run(since);
      }),
  };
}
