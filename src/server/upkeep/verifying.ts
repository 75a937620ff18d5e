import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { createBlobFiles } from "../../store/blobs/files.ts";
import type { Store } from "../../store/store.ts";
import { createQuarantiner } from "../../store/verify/mender.ts";
import { verifyStore } from "../../store/verify/verify.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings/settings.ts";

/** Reads the whole store from time to time. */
export interface Verifying {
  /** Resolves when it has written down how far it is. */
  stop(): Promise<void>;
}

/** A server that has just started has other things to do. Milliseconds. */
const firstMs = 60_000;
const retryMs = 3_600_000;
/** Timers take no more. */
const longestMs = 24 * 3_600_000;

/**
 * Verifies the store, at a rate, again and again: what one start of the server leaves unfinished the next goes on with.
 * Damaged blobs are taken out of use at once.
 */
export function startVerifying(store: Store, settings: Settings, log: Log): Verifying {
  const { every } = settings.verify;
  const stopping = new AbortController();
  const { signal } = stopping;
  const pause = (ms: number): Promise<unknown> => setTimeout(ms, undefined, { signal, ref: false });
  const run = async (): Promise<void> => {
    await noteUploadExpiry(store, settings, log);
    if (every === "never") return;
    await pause(Math.min(firstMs, every));
    for (;;) await round(every).catch(tellAndPause);
  };
  const round = async (every: number): Promise<void> => {
    const waitMs = await dueIn(store, every);
    if (waitMs > 0) await pause(Math.min(waitMs, longestMs));
    else await verify(store, settings, log, signal);
  };
  const tellAndPause = async (error: unknown): Promise<void> => {
    if (!signal.aborted) log.error({ err: error }, "could not verify the store, trying again in an hour");
    await pause(retryMs);
  };
  const running = run().catch(() => {}); // it ends by being aborted; all else was told
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** Tells who verifies the data folder beside the server which uploads go on. */
async function noteUploadExpiry({ metadata }: Store, settings: Settings, log: Log): Promise<void> {
  const ms = settings["upload-expiry-hours"] * 3_600_000;
  await metadata.verification.noteUploadExpiry(ms).catch((error: unknown) => {
    log.error({ err: error }, "could not note how long uploads are kept: berth verify may find one stray");
  });
}

/** Milliseconds until the next verification is due. */
async function dueIn({ metadata: { verification } }: Store, every: number): Promise<number> {
  if (await verification.unfinished("server")) return 0;
  const last = (await verification.list(listed)).find(({ by }) => by === "server");
  return last?.finishedAt === undefined ? 0 : last.finishedAt + every - Date.now();
}

/** More than are remembered. */
const listed = 100;

async function verify(store: Store, settings: Settings, log: Log, signal: AbortSignal): Promise<void> {
  const { metadata } = store;
  const folder = settings.data;
  const place = { folder, metadata, blobs: createBlobFiles(join(folder, "blobs")) };
  const { counts } = await verifyStore({
    ...place,
    ...{ by: "server", signal, bytesPerSecond: settings.verify.rate || undefined },
    mender: createQuarantiner(place),
    onFault: (fault) => log.error({ fault }, "the store is damaged: see berth verify status"),
  });
  log.info({ ...counts }, "verified the store");
}
