import { isLoopback, type Settings } from "../settings/settings.ts";

/** Who gets in: everybody, to pull and push; or accounts, where `publicPull` lets everybody pull everything. */
export type AccessMode =
  | { readonly kind: "open" }
  | { readonly kind: "accounts"; readonly publicPull: boolean };

/**
 * Decides who gets in. An address that others reach is not open unless somebody said so, nor is a registry that has
 * accounts: behind a proxy on the same machine, loopback is not private.
 */
export function accessModeOf(settings: Settings, hasAccounts: boolean): AccessMode {
  const { open } = settings.access;
  if (open === "push") return { kind: "open" };
  if (open === "pull") return { kind: "accounts", publicPull: true }; // somebody has to push what the others pull
  const wantsAccounts = hasAccounts || settings.access.htpasswd !== undefined;
  if (open === undefined && !wantsAccounts && isLoopback(settings.listen)) return { kind: "open" };
  return { kind: "accounts", publicPull: false };
}
