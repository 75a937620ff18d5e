import { RegistryError } from "../../oci/errors.ts";
import type { Store } from "../../store/store.ts";
import type { Settings } from "../settings.ts";
import { type Api, createApi } from "./app.ts";
import type { Authorize } from "./operations.ts";
import { createStatisticsOperations } from "./statistics.ts";

/** Everything that the management API offers, over one store. */
export function composeApi(store: Store, settings: Settings): Api {
  return createApi([...createStatisticsOperations(store.metadata)], openTo(settings.access.open));
}

/** Lets everybody in, as far as the registry was opened. */
function openTo(open: Settings["access"]["open"]): Authorize {
  return (_request, need) => {
    const changes = need.kind !== "nothing" && need.action !== "read" && need.action !== "pull";
    if (open === "pull" && changes) {
      throw new RegistryError(
        "DENIED",
        "this registry is open for pulling only: it was started with --open=pull",
      );
    }
    return { actor: "anonymous", mayRead: () => true };
  };
}
