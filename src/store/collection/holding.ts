import { RegistryError } from "../../oci/errors.ts";
import type { CollectionMetadata } from "../metadata/collection.ts";

/** A hold lasts for so long, and is renewed so often. Milliseconds. */
const [holdMs, renewMs] = [3_600_000, 60_000];

/**
 * Runs an action while nothing is collected.
 * @param holder who holds the store and why, for `berth gc status`
 * @param action is given what throws RegistryError UNAVAILABLE when the hold was lost
 */
export async function whileHeld<T>(
  collection: CollectionMetadata,
  holder: string,
  action: (requireHold: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const until = (): Date => new Date(Date.now() + holdMs);
  const id = await collection.hold(holder, until());
  let isLost = false;
  const renew = async (): Promise<void> => {
    isLost ||= !(await collection.renewHold(id, until()).catch(() => true)); // busy, perhaps: there is time to try again
  };
  const timer = setInterval(renew, renewMs);
  const requireHold = async (): Promise<void> => {
    await renew();
    if (!isLost) return;
    throw new RegistryError(
      "UNAVAILABLE",
      "this machine slept for so long that the store was no longer held for this: run it again",
    );
  };
  try {
    return await action(requireHold);
  } finally {
    clearInterval(timer);
    await collection.releaseHold(id);
  }
}
