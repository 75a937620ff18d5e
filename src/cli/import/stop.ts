import { isRegistryError } from "../../oci/errors.ts";
import type { Fault } from "./report.ts";

/** So many failures to reach an end of it, one after the other, mean that it is gone. */
const mostUnreachable = 5;

/** Decides when there is no use in going on. */
export interface Stop {
  readonly reason: Fault | undefined;
  note(error: unknown, fault: Fault): void;
  /** Something worked. */
  succeed(): void;
}

/** Goes on until the destination has no room, or one of the two cannot be reached any more. */
export function createStop(): Stop {
  let reason: Fault | undefined;
  let unreachable = 0;
  return {
    get reason() {
      return reason;
    },
    succeed() {
      unreachable = 0;
    },
    note(error, fault) {
      if (isRegistryError(error, "STORAGE_FULL")) reason ??= fault;
      unreachable = isRegistryError(error, "UNAVAILABLE") ? unreachable + 1 : 0;
      if (unreachable >= mostUnreachable) reason ??= fault;
    },
  };
}
