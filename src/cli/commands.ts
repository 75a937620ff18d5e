import { accountCommands } from "./account-commands.ts";
import { networkCommands } from "./network-commands.ts";
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
      {
        words: "healthcheck",
        summary: "Tell whether the server on this machine is well",
        load: async () => (await import("./commands/healthcheck.ts")).healthcheck,
      },
    ],
  },
  {
    title: "Keeping a server's data",
    commands: [
      {
        words: "verify",
        summary: "Check that all of it is there and whole",
        load: async () => (await import("./commands/verify/run.ts")).verify,
      },
      {
        words: "verify status",
        summary: "Show what a server found when it read all of its data",
        load: async () => (await import("./commands/verify/status.ts")).verifyStatus,
      },
      {
        words: "backup",
        summary: "Add a point to a folder of backups",
        load: async () => (await import("./commands/backup.ts")).backup,
      },
      {
        words: "restore",
        summary: "Bring a point of a backup back",
        load: async () => (await import("./commands/restore.ts")).restore,
      },
    ],
  },
  networkCommands,
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
      {
        words: "copy",
        summary: "Copy an image between registries, layouts and archives",
        load: async () => (await import("./commands/copy.ts")).copyImages,
      },
    ],
  },
  {
    title: "Local images",
    commands: [
      {
        words: "image ls",
        summary: "List images",
        aliases: ["images"],
        load: async () => (await import("./commands/image/ls.ts")).imageLs,
      },
      {
        words: "image rm",
        summary: "Remove images",
        aliases: ["rmi"],
        load: async () => (await import("./commands/image/rm.ts")).imageRm,
      },
      {
        words: "image inspect",
        summary: "Print all that is known of images",
        load: async () => (await import("./commands/image/inspect.ts")).imageInspect,
      },
      {
        words: "image history",
        summary: "Show how an image was made",
        aliases: ["history"],
        load: async () => (await import("./commands/image/history.ts")).imageHistory,
      },
      {
        words: "tag",
        summary: "Give an image another name",
        load: async () => (await import("./commands/tag.ts")).tag,
      },
      {
        words: "save",
        summary: "Write images to a tar archive",
        load: async () => (await import("./commands/save.ts")).save,
      },
      {
        words: "load",
        summary: "Read images from a tar archive",
        load: async () => (await import("./commands/load.ts")).load,
      },
      {
        words: "diff",
        summary: "Show what differs between two images",
        load: async () => (await import("./commands/diff.ts")).diff,
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
        words: "repo rm",
        summary: "Delete a repository with all its tags",
        load: async () => (await import("./commands/repo/rm.ts")).repoRm,
      },
      {
        words: "repo undelete",
        summary: "Bring back what was deleted from a repository",
        load: async () => (await import("./commands/repo/undelete.ts")).repoUndelete,
      },
      {
        words: "manifest",
        summary: "Print a manifest as it is stored",
        load: async () => (await import("./commands/manifest/print.ts")).printManifest,
      },
      {
        words: "manifest inspect",
        summary: "Show a manifest",
        load: async () => (await import("./commands/manifest/inspect.ts")).inspectManifest,
      },
      {
        words: "manifest rm",
        summary: "Delete images from a registry",
        load: async () => (await import("./commands/manifest/rm.ts")).manifestRm,
      },
      {
        words: "digest",
        summary: "Print the digest that a reference means",
        load: async () => (await import("./commands/digest.ts")).digest,
      },
    ],
  },
  {
    title: "Moving",
    commands: [
      {
        words: "import",
        summary: "Bring repositories from another registry, its data folder, or archives",
        load: async () => (await import("./commands/import.ts")).importCommand,
      },
      {
        words: "export",
        summary: "Write repositories with tags, referrers and history into one archive",
        load: async () => (await import("./commands/export.ts")).exportCommand,
      },
    ],
  },
  {
    title: "Tags",
    commands: [
      {
        words: "tags ls",
        summary: "List the tags of a repository",
        load: async () => (await import("./commands/tags/ls.ts")).tagsLs,
      },
      {
        words: "tags log",
        summary: "Show what happened to tags, when, by whom and why",
        load: async () => (await import("./commands/tags/log.ts")).tagsLog,
      },
      {
        words: "tags plan",
        summary: "Show which tags a push would move, or what retention would remove",
        load: async () => (await import("./commands/tags/plan.ts")).tagsPlan,
      },
      {
        words: "tags move",
        summary: "Point a tag at another image",
        load: async () => (await import("./commands/tags/changes.ts")).tagsMove,
      },
      {
        words: "tags rm",
        summary: "Delete tags",
        load: async () => (await import("./commands/tags/changes.ts")).tagsRm,
      },
      {
        words: "tags rollback",
        summary: "Take back the last move of a tag, or a whole release",
        load: async () => (await import("./commands/tags/changes.ts")).tagsRollback,
      },
      {
        words: "tags undelete",
        summary: "Bring back what was deleted",
        load: async () => (await import("./commands/tags/changes.ts")).tagsUndelete,
      },
      {
        words: "tags expire",
        summary: "Remove what is no longer retained",
        load: async () => (await import("./commands/tags/expire.ts")).tagsExpire,
      },
      {
        words: "tags watch",
        summary: "Follow tags as they move, and run a command",
        load: async () => (await import("./commands/tags/watch.ts")).tagsWatch,
      },
      {
        words: "tags rules",
        summary: "Show or replace the rules for tags",
        load: async () => (await import("./commands/tags/rules.ts")).tagsRules,
      },
    ],
  },
  accountCommands,
  {
    title: "Keeping",
    commands: [
      {
        words: "gc status",
        summary: "Show what waits to be removed for good",
        load: async () => (await import("./commands/gc/status.ts")).gcStatus,
      },
      {
        words: "gc run",
        summary: "Give back the space of what nothing needs any more",
        load: async () => (await import("./commands/gc/run.ts")).gcRun,
      },
      {
        words: "gc why",
        summary: "Tell what keeps a manifest or blob, or when it goes",
        load: async () => (await import("./commands/gc/why.ts")).gcWhy,
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
