import type { Registry } from "../registry/registry.ts";
import { lockFolder } from "../store/lock.ts";
import { openStore, type Store } from "../store/store.ts";
import type { Api } from "./api/app.ts";
import { createHandler, type Pages } from "./handler.ts";
import { listen } from "./listen.ts";
import { createLog, type Log } from "./log.ts";
import { createMetrics, metricsContentType, renderMetrics, type Snapshot } from "./metrics.ts";
import { readOnly } from "./read-only.ts";
import type { Settings } from "./settings.ts";

/** A server that listens, in one process or several. */
export interface RunningServer {
  /** Such as `http://127.0.0.1:5000`. */
  readonly address: string;
  /** Takes no new work, lets transfers finish within the settings' limit, closes the store. */
  stop(): Promise<void>;
}

/** A server in this process. */
export interface ServerProcess extends RunningServer {
  /** What this process counted. */
  snapshot(): Snapshot;
}

export interface ServerOptions {
  readonly settings: Settings;
  /** The number of this worker process, below `slots`. */
  readonly slot?: number;
  readonly slots?: number;
  /** What all worker processes counted; this one alone if absent. */
  readonly collect?: () => Promise<readonly Snapshot[]>;
}

const sweepMs = 10 * 60_000;

/** The composition root: opens the store, wraps it, and listens. @throws what opening and listening throw */
export async function startServer({
  settings,
  slot = 0,
  slots = 1,
  collect,
}: ServerOptions): Promise<ServerProcess> {
  const log = await createLog(settings["log-level"]);
  const lock = slots === 1 ? await lockFolder(settings.data) : undefined; // of several, the supervisor has it
  const store = await openStore({
    folder: settings.data,
    slot,
    slots,
    stallMs: settings["stall-seconds"] * 1000,
    maxOpenUploads: settings["max-open-uploads"],
  });
  process.on("unhandledRejection", (error) =>
    log.error({ err: error }, "a promise nobody waited for failed"),
  );
  const state = { stopping: false };
  const metrics = createMetrics();
  const everySnapshot = async () => (await collect?.()) ?? [metrics.snapshot()];
  const registry: Registry = settings.access.open === "pull" ? readOnly(store.registry) : store.registry;
  const pages = createPages(store, everySnapshot, state);
  const handle = createHandler({ registry, pages, api: createLazyApi(store, settings), log, metrics });
  const listener = listen({ settings, shared: slots > 1, handle, log });
  const sweep = slot === 0 ? startSweep(store, settings, log) : undefined;
  return {
    address: listener.address,
    snapshot: metrics.snapshot,
    async stop() {
      state.stopping = true;
      clearInterval(sweep);
      await listener.stop(settings["stop-seconds"] * 1000);
      await store.close();
      lock?.release();
    },
  };
}

/** The management API, loaded when it is first asked for: the start does not wait for it. */
function createLazyApi(store: Store, settings: Settings): Api {
  const load = async (): Promise<Api> => {
    const { composeApi } = await import("./api/compose.ts");
    return composeApi(store, settings);
  };
  let api: Promise<Api> | undefined;
  return async (request, connection) => {
    api ??= load();
    return (await api)(request, connection);
  };
}

function createPages(
  store: Store,
  everySnapshot: () => Promise<readonly Snapshot[]>,
  state: { readonly stopping: boolean },
): Pages {
  return {
    "/healthz": () => new Response("ok\n"),
    "/readyz": async () => {
      if (state.stopping) return new Response("stopping\n", { status: 503 });
      await store.metadata.totals();
      return new Response("ready\n");
    },
    "/metrics": async () => {
      const figures = { totals: await store.metadata.totals(), openUploads: await store.uploads.count() };
      return new Response(renderMetrics(await everySnapshot(), figures), {
        headers: { "content-type": metricsContentType },
      });
    },
  };
}

function startSweep(store: Store, settings: Settings, log: Log) {
  const expire = async (): Promise<void> => {
    try {
      const expired = await store.uploads.expire(settings["upload-expiry-hours"] * 3_600_000);
      if (expired > 0) log.info({ expired }, "removed uploads that nobody went on with");
    } catch (error) {
      log.error({ err: error }, "could not remove expired uploads");
    }
  };
  expire();
  return setInterval(expire, sweepMs);
}
