import type { Store } from "../../store/store.ts";
import { type Api, createApi } from "./app.ts";
import type { Authorize } from "./operations.ts";
import { createStatisticsOperations } from "./statistics.ts";

/** Everything that the management API offers, over one store. */
export function composeApi(store: Store, authorize: Authorize): Api {
  return createApi([...createStatisticsOperations(store.metadata)], authorize);
}
