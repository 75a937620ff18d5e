import { setTimeout as wait } from "node:timers/promises";

/** For each millisecond of work, so many are left to others. */
const idleFactor = 2;
/** So many while this process serves requests, or another one writes. */
const busyFactor = 16;
const leastMs = 4;
const mostMs = 250;
/** A process that uses this share of a processor while the collection rests serves requests. */
const busyShare = 0.05;

/**
 * Leaves the disk, the metadata and the processor to others for some time: longer while there are any.
 * @param othersWrite whether another process is known to write
 */
export async function rest(workedMs: number, othersWrite: boolean, signal: AbortSignal): Promise<void> {
  const began = performance.now();
  const before = process.cpuUsage();
  const pause = async (untilMs: number): Promise<void> => {
    const left = untilMs - (performance.now() - began);
    if (left > 0) await wait(left, undefined, { signal }).catch(() => {}); // only when it shall stop
  };
  const restMs = (factor: number): number => Math.min(mostMs, Math.max(leastMs, workedMs * factor));
  await pause(restMs(idleFactor));
  const { user, system } = process.cpuUsage(before);
  const share = (user + system) / 1000 / (performance.now() - began);
  if (othersWrite || share > busyShare) await pause(restMs(busyFactor));
}
