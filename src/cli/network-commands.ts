import type { TableSection } from "./table.ts";

/** The commands between a server and the machines that use it. */
export const networkCommands: TableSection = {
  title: "A local network",
  commands: [
    {
      words: "setup server",
      summary: "Make the authority and the certificate for HTTPS on a local network",
      load: async () => (await import("./commands/setup/server.ts")).setupServer,
    },
    {
      words: "setup client",
      summary: "Make this machine's engines find a registry and trust it",
      load: async () => (await import("./commands/setup/client.ts")).setupClient,
    },
    {
      words: "doctor",
      summary: "Find out why a registry cannot be used from here, and what mends that",
      load: async () => (await import("./commands/doctor.ts")).doctor,
    },
  ],
};
