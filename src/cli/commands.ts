import type { CommandTable } from "./table.ts";

/** The commands of Berth, in the order of its help. A command's file is loaded when it runs. */
export const commands: CommandTable = [
  {
    title: "Server",
    commands: [
      {
        words: "serve",
        summary: "Run the registry until a signal ends it",
        load: async () => (await import("./commands/serve.ts")).serve,
      },
    ],
  },
  {
    title: "More",
    commands: [
      {
        words: "completion",
        summary: "Print what makes a shell complete commands, flags and names",
        load: async () => (await import("./commands/completion.ts")).completion,
      },
    ],
  },
];
