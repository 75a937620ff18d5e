// The program of one worker process; workers.ts starts it.
import type { Snapshot } from "./metrics.ts";
import { startServer } from "./server.ts";
import { SettingsError } from "./settings/settings.ts";
import type { WorkerMessage, WorkerOrder } from "./worker-messages.ts";

void run(JSON.parse(process.env.BERTH_WORKER ?? "{}") as WorkerOrder); // safe: the supervisor wrote it

async function run({ settings, slot, slots }: WorkerOrder): Promise<void> {
  const send = (message: WorkerMessage): void => void process.send?.(message);
  const waiting = new Map<number, (snapshots: readonly Snapshot[]) => void>();
  let questions = 0;
  const collect = (): Promise<readonly Snapshot[]> =>
    new Promise((resolve) => {
      const id = ++questions;
      waiting.set(id, resolve);
      send({ kind: "collect", asker: slot, id });
    });
  try {
    const server = await startServer({ settings, slot, slots, collect });
    process.on("message", async (message: WorkerMessage) => {
      if (message.kind === "collect") send({ ...message, kind: "report", snapshot: await server.report() });
      if (message.kind === "collected") {
        waiting.get(message.id)?.(message.snapshots);
        waiting.delete(message.id);
      }
    });
    const stop = (): void => void server.stop().then(() => process.exit(0));
    process.once("SIGTERM", stop);
    process.on("SIGTERM", () => {}); // a service manager may tell everybody, and then the supervisor does again
    // The supervisor was killed, and its lock on the data went with it: another may start at once.
    process.once("disconnect", () => process.exit(1));
    process.on("SIGINT", () => {}); // a terminal sends it to everybody; the supervisor decides
    send({ kind: "ready", address: server.address });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    send({ kind: "failed", reason, wrongSettings: error instanceof SettingsError });
    process.exit(1);
  }
}
