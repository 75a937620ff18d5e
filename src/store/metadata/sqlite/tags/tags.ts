import type { TagPolicies } from "../../tag-policy.ts";
import type { TagMetadata } from "../../tags.ts";
import type { SqliteDatabase } from "../database.ts";
import type { ManifestRows } from "../manifest-rows.ts";
import type { RepositoryRows } from "../repositories.ts";
import { createTagChanger, type TagChanger } from "./changer.ts";
import { createChangeMetadata } from "./changes.ts";
import { createDeletedList } from "./deleted.ts";
import { createTagHistory } from "./history.ts";
import { createTagLists } from "./lists.ts";
import { createReplay } from "./replay.ts";
import { createTagRequests } from "./requests.ts";
import { createRetentionMetadata } from "./retention.ts";
import { createTagRuleMetadata } from "./rules.ts";

/** Tags, and what changes them together with a manifest. */
export function createTagMetadata(
  database: SqliteDatabase,
  repositories: RepositoryRows,
  manifests: ManifestRows,
  policies: TagPolicies,
): { readonly metadata: TagMetadata; readonly changer: TagChanger } {
  const rules = createTagRuleMetadata(database);
  const changer = createTagChanger(database, policies, () => rules.getTagRules());
  const metadata: TagMetadata = {
    ...createTagLists(database, repositories, changer.changes),
    ...createDeletedList(database, repositories),
    ...createTagHistory(database, repositories, changer.changes),
    ...createChangeMetadata(database, repositories, changer.changes),
    ...createTagRequests(database, repositories, manifests, changer),
    ...createReplay(database, repositories, manifests, changer),
    ...createRetentionMetadata(database, repositories),
    ...rules,
  };
  return { metadata, changer };
}
