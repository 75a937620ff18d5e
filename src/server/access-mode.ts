import { isLoopback, type Settings } from "./settings.ts";

/** Who gets in: everybody, to pull or also to push; or accounts, where `publicPull` lets everybody pull everything. */
export type AccessMode =
  | { readonly kind: "open"; readonly open: "pull" | "push" }
  | { readonly kind: "accounts"; readonly publicPull: boolean };

/**
 * Decides who gets in. An address that others reach is not open unless somebody said so, nor is a registry that has
 * accounts: behind a proxy on the same machine, loopback is not private.
 */
export function accessModeOf(settings: Settings, hasAccounts: boolean): AccessMode {
  const { open } = settings.access;
  if (open === "push") return { kind: "open", open };
  if (open === "pull") return hasAccounts ? { kind: "accounts", publicPull: true } : { kind: "open", open };
  const wantsAccounts = hasAccounts || settings.access.htpasswd !== undefined;
  if (open === undefined && !wantsAccounts && isLoopback(settings.listen))
    return { kind: "open", open: "push" };
  return { kind: "accounts", publicPull: false };
}
