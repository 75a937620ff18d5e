import { limitStorage } from "../access/quotas.ts";
import { lockFolder } from "../store/lock.ts";
import { openStore, type Store } from "../store/store.ts";
import { createTagging, type Tagging } from "../tagging/policies.ts";
import { findRuleFaults } from "../tagging/rule-faults.ts";
import type { Access } from "./access/access.ts";
import { accessModeOf } from "./access/access-mode.ts";
import { type Announce, ensureAdministrator } from "./access/first-administrator.ts";
import { type Gate, openGate } from "./access/gate.ts";
import type { Api } from "./api/app.ts";
import type { ApiParts } from "./api/compose.ts";
import type { Authorize } from "./api/operations.ts";
import type { CollectionFigures } from "./collection-metrics.ts";
import { createLatestFallback } from "./distribution/latest-fallback.ts";
import { createHandler, type Pages } from "./handler.ts";
import { createLog, type Log } from "./log.ts";
import { createMetrics, metricsContentType, renderMetrics, type Snapshot } from "./metrics.ts";
import { allowOrigins } from "./network/cors.ts";
import { createForwarding, type Forwarding } from "./network/forwarding.ts";
import { listen, requireListening } from "./network/listen.ts";
import { startAnnouncing } from "./network/mdns.ts";
import type { Settings } from "./settings/settings.ts";
import type { Starting } from "./tls/first-order.ts";
import { authorityPages, prepareTls, startRenewal } from "./tls/renewal.ts";
import { createChangeFeed } from "./upkeep/change-feed.ts";
import { createCollecting, keepingOf } from "./upkeep/collection.ts";
import { startVerifying } from "./upkeep/verifying.ts";
import { createVersionIndexing } from "./upkeep/version-indexing.ts";

/** A server that listens, in one process or several. */
export interface RunningServer {
  /** Such as `http://127.0.0.1:5000`. */
  readonly address: string;
  /** Whether everybody may do something, or who they are decides. */
  readonly access: "open" | "accounts";
  /** Takes no new work, lets transfers finish within the settings' limit, closes the store. */
  stop(): Promise<void>;
}

/** A server in this process. */
export interface ServerProcess extends RunningServer {
  /** What this process counted. Which manifests were pulled from it is in the metadata then. */
  report(): Promise<Snapshot>;
}

export interface ServerOptions {
  readonly settings: Settings;
  /** The number of this worker process, below `slots`. */
  readonly slot?: number;
  readonly slots?: number;
  /** What all worker processes counted; this one alone if absent. */
  readonly collect?: () => Promise<readonly Snapshot[]>;
  /** Shows the first administrator; of several workers, the supervisor makes it. */
  readonly announce?: Announce;
  /** Who waits for the start of this one process; of several workers, the supervisor prepares it. */
  readonly starting?: Starting;
}

const sweepMs = 10 * 60_000;
const flushMs = 5 * 60_000;

/** The composition root: opens the store, wraps it, and listens. @throws what opening and listening throw */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const closing: Closing = [];
  try {
    return await compose(options, closing);
  } catch (error) {
    await closeAll(closing); // what is left open would keep the process alive
    throw error;
  }
}

/** What is to be closed, in the order in which it was opened. */
type Closing = (() => unknown)[];

async function closeAll(closing: Closing): Promise<void> {
  for (const close of closing.reverse()) await close();
}

async function compose(
  { settings, slot = 0, slots = 1, collect, announce, starting }: ServerOptions,
  closing: Closing,
): Promise<ServerProcess> {
  if (slots === 1) requireListening(settings); // of several, the supervisor does
  const log = await createLog(settings["log-level"]);
  const lock = slots === 1 ? await lockFolder(settings.data) : undefined; // of several, the supervisor has it
  closing.push(() => lock?.release());
  if (starting) await prepareTls(settings.tls, starting);
  const tagging = createTagging(settings.tags);
  const store = await openStore({
    folder: settings.data,
    slot,
    slots,
    stallMs: settings["stall-seconds"] * 1000,
    maxOpenUploads: settings["max-open-uploads"],
    policies: tagging.policies,
    keep: keepingOf(settings),
    hasReserve: true,
    troubled: (what) => log.error({ what }, "the store is in trouble"),
  });
  closing.push(store.close);
  if (slot === 0) await logRuleFaults(store, tagging, log);
  process.on("unhandledRejection", (error) =>
    log.error({ err: error }, "a promise nobody waited for failed"),
  );
  const feed = createChangeFeed(store.metadata);
  const indexing = createVersionIndexing(store.metadata, (error) =>
    log.error({ err: error }, "could not index the versions of repositories"),
  );
  const state = { stopping: false };
  const metrics = createMetrics();
  const everySnapshot = async () => (await collect?.()) ?? [metrics.snapshot()];
  const forwarding = createForwarding(settings);
  const { gate, access } = await openAccess(store, settings, log, { slot, slots, announce, forwarding });
  closing.push(() => access?.close());
  const watchers = watchersOf(settings, gate);
  const collecting = createCollecting({
    ...{ store, settings, log, isFirst: slot === 0, hasRecord: access !== undefined },
  });
  closing.push(collecting.stop); // here: what fails to listen has to end, too
  const pages = {
    ...createPages(store, everySnapshot, state, watchers),
    ...authorityPages(settings.tls),
    ...access?.pages,
  };
  const latestOf = createLatestFallback(store.metadata, tagging);
  const handle = createHandler({
    gate,
    pages,
    latestOf,
    prefixOf: forwarding.prefixOf,
    api: createLazyApi(
      {
        store: { ...store, pulls: pullsOfAll(store, collect) },
        ...{ tagging, feed, onNewRules: indexing.restart, administration: access?.administration },
        collecting,
        dataFolder: settings.data,
      },
      gate.authorize,
    ),
    log,
    metrics,
  });
  const listener = listen({
    ...{ settings, log, shared: slots > 1 },
    handle: allowOrigins(handle, settings.cors.origins),
  });
  closing.push(() => listener.stop(settings["stop-seconds"] * 1000));
  const sweep = slot === 0 ? startSweep(store, settings, log) : undefined;
  const flushing = startFlushing(store, log);
  const announcing = slot === 0 ? startAnnouncing(settings, log) : undefined;
  const renewing = slot === 0 ? startRenewal(settings.tls, log) : undefined;
  if (slot === 0) indexing.restart();
  if (slot === 0) closing.push(startVerifying(store, settings, log).stop);
  closing.push(
    indexing.stop,
    feed.close,
    () => clearInterval(flushing),
    () => clearInterval(sweep),
    () => renewing?.stop(),
    () => announcing?.stop(),
  );
  return {
    address: listener.address,
    access: access ? "accounts" : "open",
    async report() {
      await writePulls(store, log);
      return metrics.snapshot();
    },
    async stop() {
      state.stopping = true;
      await Bun.sleep(settings["drain-seconds"] * 1000);
      await closeAll(closing);
    },
  };
}

/** Names rules for tags that can no longer match, and where which of two rules decides. */
async function logRuleFaults(store: Store, tagging: Tagging, log: Log): Promise<void> {
  const { errors, notes } = findRuleFaults(tagging.rules(await store.metadata.getTagRules()));
  for (const fault of [...errors, ...notes]) log.warn({ fault }, "rules for tags");
}

interface Entrance extends Required<Pick<ServerOptions, "slot" | "slots">> {
  readonly announce: Announce | undefined;
  readonly forwarding: Forwarding;
}

/** Decides who gets in. What accounts need is loaded where there are some: an open registry starts without. */
async function openAccess(
  store: Store,
  settings: Settings,
  log: Log,
  { slot, slots, announce, forwarding }: Entrance,
): Promise<{ gate: Gate; access?: Access }> {
  const mode = accessModeOf(settings, await store.metadata.access.hasAccounts());
  const { quotas } = settings;
  const registry = quotas.length > 0 ? limitStorage(store.registry, quotas, store.metadata) : store.registry;
  if (mode.kind === "open") return { gate: openGate(registry) };
  if (announce) await ensureAdministrator(store.metadata.access, settings, process.env, announce);
  const { composeAccess } = await import("./access/access.ts");
  const access = await composeAccess({
    registry,
    metadata: store.metadata,
    settings,
    forwarding,
    publicPull: mode.publicPull,
    processes: slots,
    isFirst: slot === 0,
    log,
  });
  return { gate: access.gate, access };
}

/** The metrics show so many repositories each by itself; `/api/v1/stats` lists all. */
const shownRepositories = 500;

/** Who may see the metrics; a public address for them names no repositories. */
function watchersOf({ access }: Settings, gate: Gate): Authorize {
  return access["public-metrics"] ? () => ({ actor: "anonymous", mayRead: () => false }) : gate.authorize;
}

/** The management API, loaded when it is first asked for: the start does not wait for it. */
function createLazyApi(parts: ApiParts, authorize: Authorize): Api {
  const load = async (): Promise<Api> => {
    const { composeApi } = await import("./api/compose.ts");
    return composeApi(parts, authorize);
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
  authorize: Authorize,
): Pages {
  return {
    "/healthz": () => new Response("ok\n"),
    "/readyz": async () => {
      if (state.stopping) return new Response("stopping\n", { status: 503 });
      await store.metadata.requireDurable();
      await store.metadata.totals();
      return new Response("ready\n");
    },
    "/metrics": async (_query, request, connection) => {
      const { mayRead } = await authorize(request, { kind: "registry", action: "read" }, connection);
      const busiest = await store.metadata.busiestRepositories(shownRepositories);
      const figures = {
        totals: await store.metadata.totals(),
        openUploads: await store.uploads.count(),
        repositories: busiest.filter(({ repository }) => mayRead(repository)),
        collection: await collectionFiguresOf(store),
        verifications: await store.metadata.verification.list(shownVerifications),
        lostBlobs: await store.metadata.verification.countLost(),
      };
      return new Response(renderMetrics(await everySnapshot(), figures), {
        headers: { "content-type": metricsContentType },
      });
    },
  };
}

async function collectionFiguresOf({
  metadata: { collection },
  collector,
}: Store): Promise<CollectionFigures> {
  return {
    backlog: await collection.backlog(),
    lastRuns: await collection.lastRuns(),
    graceMs: collector.graceMs,
  };
}

/** Verifications among which the metrics find the last whole one: all that are remembered. */
const shownVerifications = 20;

/** Writes down now and then when manifests were pulled. */
function startFlushing(store: Store, log: Log) {
  return setInterval(() => writePulls(store, log), flushMs);
}

async function writePulls({ pulls }: Store, log: Log): Promise<void> {
  await pulls.flush().catch((error) => log.error({ err: error }, "could not write down what was pulled"));
}

/** Retention has to know what was pulled from every worker process: each writes that down before it reports. */
function pullsOfAll({ pulls }: Store, collect: ServerOptions["collect"]): Store["pulls"] {
  return {
    ...pulls,
    async flush() {
      await pulls.flush();
      await collect?.();
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
