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
    title: "Logins",
    commands: [
      {
        words: "login",
        summary: "Log in to a registry",
        load: async () => (await import("./commands/login.ts")).login,
      },
      {
        words: "logout",
        summary: "Log out from a registry",
        load: async () => (await import("./commands/logout.ts")).logout,
      },
    ],
  },
  {
    title: "Images",
    commands: [
      {
        words: "pull",
        summary: "Bring an image from a registry",
        load: async () => (await import("./commands/pull.ts")).pull,
      },
      {
        words: "push",
        summary: "Send an image to its registry",
        load: async () => (await import("./commands/push.ts")).push,
      },
    ],
  },
  {
    title: "Registries",
    commands: [
      {
        words: "repo ls",
        summary: "List the repositories of a registry",
        load: async () => (await import("./commands/repo/ls.ts")).repoLs,
      },
      {
        words: "tags ls",
        summary: "List the tags of a repository",
        load: async () => (await import("./commands/tags/ls.ts")).tagsLs,
      },
      {
        words: "manifest",
        summary: "Print a manifest as it is stored",
        load: async () => (await import("./commands/manifest.ts")).manifest,
      },
      {
        words: "digest",
        summary: "Print the digest that a reference means",
        load: async () => (await import("./commands/digest.ts")).digest,
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
