import type { Store } from "../../store/store.ts";
import type { Tagging } from "../../tagging/policies.ts";
import type { Administration } from "../access/access.ts";
import { noAccounts } from "../access/gate.ts";
import type { ChangeFeed } from "../upkeep/change-feed.ts";
import type { Collecting } from "../upkeep/collection.ts";
import { createAccountOperations } from "./accounts.ts";
import { type Api, createApi } from "./app.ts";
import { createAuditOperations } from "./audit.ts";
import { createCollectionOperations } from "./collection.ts";
import { createDiskOperations } from "./disk.ts";
import { createEventOperations } from "./events.ts";
import { createGrantOperations } from "./grants.ts";
import type { Authorize } from "./operations.ts";
import { createStatisticsOperations } from "./statistics.ts";
import { createTagChangeOperations } from "./tags/changes.ts";
import { createTagListOperations } from "./tags/lists.ts";
import { createReplayOperation } from "./tags/replay.ts";
import { createRetentionOperations } from "./tags/retention.ts";
import { createTagRuleOperations } from "./tags/rules.ts";
import { createTokenOperations } from "./tokens.ts";
import { createVerificationOperations } from "./verification.ts";

/** What the management API stands on. */
export interface ApiParts {
  readonly store: Store;
  readonly tagging: Tagging;
  readonly feed: ChangeFeed;
  readonly collecting: Collecting;
  readonly dataFolder: string;
  /** Called when other rules for tags were stored. */
  readonly onNewRules: () => void;
  /** Absent in a registry without accounts. */
  readonly administration: Administration | undefined;
}

/** Everything that the management API offers. */
export function composeApi(parts: ApiParts, authorize: Authorize): Api {
  const { store, tagging, feed, collecting, dataFolder, onNewRules, administration } = parts;
  const opened = (): Administration => {
    if (!administration) throw noAccounts();
    return administration;
  };
  return createApi(
    [
      ...createStatisticsOperations(store.metadata),
      ...createDiskOperations(dataFolder),
      ...createTagListOperations(store, tagging),
      ...createTagChangeOperations(store),
      createReplayOperation(store.metadata),
      ...createRetentionOperations(store, tagging),
      ...createTagRuleOperations(store.metadata, tagging, onNewRules),
      ...createEventOperations(store.metadata, feed),
      ...createCollectionOperations(store, collecting),
      ...createVerificationOperations(store.metadata),
      ...createAccountOperations(opened),
      ...createTokenOperations(opened),
      ...createGrantOperations(opened),
      ...createAuditOperations(opened),
    ],
    authorize,
  );
}
