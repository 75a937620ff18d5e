import { type BlobLeases, defaultLeases } from "../collection.ts";
import type { Metadata } from "../metadata.ts";
import { plainPolicy, type TagPolicies } from "../tag-policy.ts";
import { createAccessMetadata } from "./access/access.ts";
import { createAuditMetadata } from "./audit.ts";
import { createBackupMetadata } from "./backup.ts";
import { createBlobMetadata } from "./blobs.ts";
import { createCollectionMetadata } from "./collection/collection.ts";
import { openDatabase } from "./database.ts";
import { createManifestRows } from "./manifest-rows.ts";
import { createManifestMetadata } from "./manifests.ts";
import { createReferrerMetadata } from "./referrers.ts";
import { createRepositoryRows } from "./repositories.ts";
import { createStatisticsMetadata } from "./statistics.ts";
import { createTagMetadata } from "./tags/tags.ts";
import { createUsageMetadata } from "./usage.ts";
import { createVerificationMetadata } from "./verification/verification.ts";

/**
 * Metadata in one SQLite file at `path`, made if it is not there. Several processes may open it.
 * @param policies decides, inside the transactions, what happens to tags; absent, what is asked for and nothing else
 */
export function openSqliteMetadata(
  path: string,
  policies: TagPolicies = () => plainPolicy,
  leases: BlobLeases = defaultLeases,
): Metadata {
  const database = openDatabase(path);
  const repositories = createRepositoryRows(database);
  const manifests = createManifestRows(database, repositories, leases);
  const tags = createTagMetadata(database, repositories, manifests, policies);
  return {
    ...createBlobMetadata(database, repositories, leases),
    ...createManifestMetadata(database, repositories, manifests, tags.changer),
    ...tags.metadata,
    ...createReferrerMetadata(database, repositories),
    ...createStatisticsMetadata(database),
    ...createUsageMetadata(database),
    access: createAccessMetadata(database),
    audit: createAuditMetadata(database),
    collection: createCollectionMetadata(database),
    verification: createVerificationMetadata(database),
    backup: createBackupMetadata(database),
    hasRepository: (repository) => repositories.find(repository) !== undefined,
    listRepositories: (page) => repositories.list(page),
    repositoriesNear: (missing) => repositories.near(missing),
    requireDurable: () => database.requireDurable(),
    close: () => database.close(),
  };
}
