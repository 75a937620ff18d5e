import type { Metadata } from "../metadata.ts";
import { createAccessMetadata } from "./access/access.ts";
import { createBlobMetadata } from "./blobs.ts";
import { openDatabase } from "./database.ts";
import { createManifestMetadata } from "./manifests.ts";
import { createReferrerMetadata } from "./referrers.ts";
import { createRepositoryRows } from "./repositories.ts";
import { createStatisticsMetadata } from "./statistics.ts";
import { createTagMetadata } from "./tags.ts";

/** Metadata in one SQLite file at `path`, made if it is not there. Several processes may open it. */
export function openSqliteMetadata(path: string): Metadata {
  const database = openDatabase(path);
  const repositories = createRepositoryRows(database);
  return {
    ...createBlobMetadata(database, repositories),
    ...createManifestMetadata(database, repositories),
    ...createTagMetadata(database, repositories),
    ...createReferrerMetadata(database, repositories),
    ...createStatisticsMetadata(database),
    access: createAccessMetadata(database),
    hasRepository: (repository) => repositories.find(repository) !== undefined,
    listRepositories: (page) => repositories.list(page),
    repositoriesNear: (missing) => repositories.near(missing),
    close: () => database.close(),
  };
}
