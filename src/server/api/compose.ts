import type { Store } from "../../store/store.ts";
import type { Administration } from "../access.ts";
import { noAccounts } from "../gate.ts";
import { createAccountOperations } from "./accounts.ts";
import { type Api, createApi } from "./app.ts";
import { createAuditOperations } from "./audit.ts";
import { createGrantOperations } from "./grants.ts";
import type { Authorize } from "./operations.ts";
import { createStatisticsOperations } from "./statistics.ts";
import { createTokenOperations } from "./tokens.ts";

/** Everything that the management API offers, over one store. */
export function composeApi(store: Store, authorize: Authorize, administration?: Administration): Api {
  const opened = (): Administration => {
    if (!administration) throw noAccounts();
    return administration;
  };
  return createApi(
    [
      ...createStatisticsOperations(store.metadata),
      ...createAccountOperations(opened),
      ...createTokenOperations(opened),
      ...createGrantOperations(opened),
      ...createAuditOperations(opened),
    ],
    authorize,
  );
}
