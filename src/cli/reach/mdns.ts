import { ownAddresses } from "../../server/network/own-addresses.ts";

const waitMs = 2000;
/** One question may get lost. */
const againMs = 400;

/** Asks the local network for the address of a name that ends in `.local`. Resolves to those that answer in time. */
export async function askNetwork(name: string): Promise<readonly string[]> {
  const { default: make } = await import("multicast-dns");
  const found = new Set<string>();
  const speakers = ownAddresses().map((address) => make({ interface: address, bind: "0.0.0.0" }));
  const ask = (speaker: (typeof speakers)[number]): void => speaker.query(name, "A");
  await new Promise<void>((resolve) => {
    const again = setInterval(() => speakers.forEach(ask), againMs);
    const enough = (): void => {
      clearTimeout(timer);
      clearInterval(again);
      resolve();
    };
    const timer = setTimeout(enough, waitMs);
    if (speakers.length === 0) enough();
    for (const speaker of speakers) {
      speaker.on("error", enough); // nobody can be asked
      speaker.on("response", ({ answers = [] }) => {
        for (const answer of answers) {
          if (answer.type === "A" && answer.name.toLowerCase() === name.toLowerCase()) found.add(answer.data);
        }
        if (found.size > 0) enough();
      });
      speaker.on("ready", () => ask(speaker));
    }
  });
  for (const speaker of speakers) speaker.destroy();
  return [...found];
}
