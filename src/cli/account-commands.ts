import type { TableSection } from "./table.ts";

/** The commands about who may do what. */
export const accountCommands: TableSection = {
  title: "Accounts",
  commands: [
    {
      words: "whoami",
      summary: "Tell who is logged in to a registry, and what they may do",
      load: async () => (await import("./commands/whoami.ts")).whoami,
    },
    {
      words: "user ls",
      summary: "List the accounts of a registry",
      load: async () => (await import("./commands/user/ls.ts")).userLs,
    },
    {
      words: "user add",
      summary: "Make an account: a person or a robot",
      load: async () => (await import("./commands/user/add.ts")).userAdd,
    },
    {
      words: "user passwd",
      summary: "Change a password",
      load: async () => (await import("./commands/user/passwd.ts")).userPasswd,
    },
    {
      words: "user groups",
      summary: "Set the groups of an account",
      load: async () => (await import("./commands/user/changes.ts")).userGroups,
    },
    {
      words: "user disable",
      summary: "Lock an account out",
      load: async () => (await import("./commands/user/changes.ts")).userDisable,
    },
    {
      words: "user enable",
      summary: "Let an account in again",
      load: async () => (await import("./commands/user/changes.ts")).userEnable,
    },
    {
      words: "user rm",
      summary: "Remove an account",
      load: async () => (await import("./commands/user/changes.ts")).userRm,
    },
    {
      words: "user recover",
      summary: "Get into a server of which nobody knows the password",
      load: async () => (await import("./commands/user/recover.ts")).userRecover,
    },
    {
      words: "token create",
      summary: "Make a token for a machine or a program",
      load: async () => (await import("./commands/token/create.ts")).tokenCreate,
    },
    {
      words: "token ls",
      summary: "List the tokens of an account",
      load: async () => (await import("./commands/token/ls.ts")).tokenLs,
    },
    {
      words: "token rm",
      summary: "Revoke a token",
      load: async () => (await import("./commands/token/rm.ts")).tokenRm,
    },
    {
      words: "role grant",
      summary: "Give somebody a role on repositories",
      load: async () => (await import("./commands/role/changes.ts")).roleGrant,
    },
    {
      words: "role revoke",
      summary: "Take a role away",
      load: async () => (await import("./commands/role/changes.ts")).roleRevoke,
    },
    {
      words: "role ls",
      summary: "List who has which role",
      load: async () => (await import("./commands/role/ls.ts")).roleLs,
    },
    {
      words: "audit",
      summary: "Show who did what",
      load: async () => (await import("./commands/audit/ls.ts")).auditLs,
    },
    {
      words: "audit verify",
      summary: "Check that nobody changed the record",
      load: async () => (await import("./commands/audit/verify.ts")).auditVerify,
    },
  ],
};
