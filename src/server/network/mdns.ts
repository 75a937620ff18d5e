import type makeMdns from "multicast-dns";
import type { Log } from "../log.ts";
import type { Settings } from "../settings/settings.ts";
import { ownAddresses } from "./own-addresses.ts";

type Mdns = ReturnType<typeof makeMdns>;

/** Seconds for which others may remember an address. https://www.rfc-editor.org/rfc/rfc6762#section-10 */
const lifetimeSeconds = 120;
/** How often it is looked whether this machine came into another network. */
const lookMs = 5000;

/**
 * Answers who asks the local network for the name that the settings give this server, with the address that this
 * machine has in the asker's network. https://www.rfc-editor.org/rfc/rfc6762
 */
export function startAnnouncing(
  { mdns: name }: Pick<Settings, "mdns">,
  log: Log,
): { stop(): void } | undefined {
  if (name === undefined) return undefined;
  const speakers = new Map<string, Mdns>();
  const fail = (error: unknown): void => log.warn({ err: error, name }, "multicast DNS does not work here");
  const look = async (): Promise<void> => {
    const { default: make } = await import("multicast-dns");
    const addresses = ownAddresses();
    for (const address of addresses) {
      if (speakers.has(address) || isStopped) continue;
      const speaker = make({ interface: address, bind: "0.0.0.0" });
      speakers.set(address, speaker);
      speaker.on("error", fail);
      speaker.on("warning", fail);
      speaker.on("query", ({ id, questions = [] }, from) => {
        const asked = questions.filter((question) => isFor(question, name));
        if (asked.length === 0) return;
        const answers = [{ name, type: "A" as const, ttl: lifetimeSeconds, flush: true, data: address }];
        speaker.respond({ answers });
        // Who asks from another port is no responder itself, and is answered as by a name server.
        if (from.port !== 5353) speaker.respond({ id, questions: asked, answers }, from);
      });
    }
    for (const [address, speaker] of speakers) {
      if (addresses.includes(address)) continue;
      speaker.destroy();
      speakers.delete(address);
    }
  };
  let isStopped = false;
  const begin = (): void => void look().catch(fail);
  begin();
  const timer = setInterval(begin, lookMs);
  timer.unref();
  return {
    stop() {
      isStopped = true;
      clearInterval(timer);
      for (const speaker of speakers.values()) speaker.destroy();
    },
  };
}

/** Names compare without regard to case. */
function isFor({ name, type }: { readonly name: string; readonly type: string }, own: string): boolean {
  return name.toLowerCase() === own.toLowerCase() && (type === "A" || type === "ANY");
}
