import { extname, join } from "node:path";
import { lockFolder } from "../store/lock.ts";
import { openSqliteMetadata } from "../store/metadata/sqlite/sqlite.ts";
import { accessModeOf } from "./access/access-mode.ts";
import { type Announce, ensureAdministrator } from "./access/first-administrator.ts";
import { createLog } from "./log.ts";
import type { Snapshot } from "./metrics.ts";
import { requireListening } from "./network/listen.ts";
import type { RunningServer } from "./server.ts";
import { type Settings, SettingsError } from "./settings/settings.ts";
import type { Starting } from "./tls/first-order.ts";
import { prepareTls } from "./tls/renewal.ts";
import type { WorkerMessage, WorkerOrder } from "./worker-messages.ts";

type Child = ReturnType<typeof Bun.spawn>;

const restartMs = 500;
/** A worker that does not answer in time is left out of the metrics. */
const collectMs = 1000;

/** What runs worker.ts: Bun with the file beside this one, or the single-file executable that has it inside. */
function workerProgram(): string[] {
  if (Bun.main.startsWith("/$bunfs/")) return [process.execPath];
  return [process.execPath, new URL(`./worker${extname(import.meta.url)}`, import.meta.url).pathname];
}

/** Makes the first administrator before there are workers that would all do it. */
async function prepareAccess(settings: Settings, announce: Announce): Promise<RunningServer["access"]> {
  const metadata = openSqliteMetadata(join(settings.data, "metadata.db"));
  try {
    const mode = accessModeOf(settings, await metadata.access.hasAccounts());
    if (mode.kind === "open") return "open";
    await ensureAdministrator(metadata.access, settings, process.env, announce);
    return "accounts";
  } finally {
    await metadata.close();
  }
}

/** Runs several worker processes on one port and one store, and starts again those that die. */
export async function startWorkers(
  settings: Settings,
  slots: number,
  announce: Announce,
  starting: Starting,
): Promise<RunningServer> {
  const log = await createLog(settings["log-level"]);
  const port = requireListening(settings);
  const lock = await lockFolder(settings.data);
  await prepareTls(settings.tls, starting);
  const access = await prepareAccess(settings, announce);
  const fixed = { ...settings, listen: settings.listen.replace(/:\d+$/, `:${port}`) };
  const children: (Child | undefined)[] = [];
  const collecting = new Map<string, Snapshot[]>();
  let stopping = false;

  const onMessage = (message: WorkerMessage): void => {
    if (message.kind === "collect") {
      const key = `${message.asker} ${message.id}`;
      const snapshots: Snapshot[] = [];
      collecting.set(key, snapshots);
      for (const child of children) child?.send(message);
      setTimeout(() => answer(key), collectMs).unref();
    } else if (message.kind === "report") {
      const key = `${message.asker} ${message.id}`;
      const snapshots = collecting.get(key);
      snapshots?.push(message.snapshot);
      if (snapshots?.length === slots) answer(key);
    }
  };
  const answer = (key: string): void => {
    const snapshots = collecting.get(key);
    if (!snapshots) return;
    collecting.delete(key);
    const [asker, id] = key.split(" ").map(Number);
    children[asker ?? 0]?.send({ kind: "collected", id: id ?? 0, snapshots } satisfies WorkerMessage);
  };

  const start = (slot: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const order: WorkerOrder = { settings: fixed, slot, slots };
      children[slot] = Bun.spawn(workerProgram(), {
        env: { ...process.env, BERTH_WORKER: JSON.stringify(order) },
        stdio: ["ignore", "inherit", "inherit"],
        ipc(message: WorkerMessage) {
          if (message.kind === "ready") resolve(message.address);
          else if (message.kind === "failed")
            reject(message.wrongSettings ? new SettingsError(message.reason) : new Error(message.reason));
          else onMessage(message);
        },
        onExit(_child, code, signal) {
          children[slot] = undefined;
          reject(new Error(`worker ${slot} ended before it was ready`));
          if (stopping) return;
          log.error({ slot, code, signal }, "a worker ended, starting it again");
          setTimeout(() => stopping || start(slot).catch(() => {}), restartMs); // its next end starts it once more
        },
      });
    });

  const stop = async (): Promise<void> => {
    stopping = true;
    for (const child of children) child?.kill("SIGTERM");
    await Promise.all(children.map((child) => child?.exited));
    lock.release();
  };
  try {
    const [address = ""] = await Promise.all(Array.from({ length: slots }, (_, slot) => start(slot)));
    return { address, access, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
