import { readFileSync } from "node:fs";
import { z } from "zod";
import { errorCode } from "../../registry/files/durable.ts";
import { placeRules } from "../../tagging/policies.ts";
import { findRuleFaults } from "../../tagging/rule-faults.ts";
import { tagRule } from "../../tagging/rules.ts";
import { oidcSettings, workloadRule } from "../access/login-settings.ts";
import { repositoryPattern } from "../api/schemas.ts";
import { logLevels } from "../log.ts";
import { isNetwork } from "../network/addresses.ts";
import { tlsSettings } from "../tls/settings.ts";
import { collectionSettings } from "./collection-settings.ts";
import { sizeSetting } from "./sizes.ts";
import { verifySettings } from "./verify-settings.ts";

const quota = z.strictObject({
  repositories: z.array(repositoryPattern).min(1),
  bytes: sizeSetting,
});

const rate = z.number().positive().optional();
const requestLimit = z.strictObject({
  who: z.array(z.string().min(1)).min(1),
  "pulls-per-minute": rate,
  "pushes-per-minute": rate,
  "open-uploads": z.number().int().min(1).optional(),
  "bytes-per-hour": sizeSetting.optional(),
});

const schema = z.strictObject({
  listen: z
    .string()
    .regex(
      /^(?:\[[0-9a-fA-F:]+\]|[^:[\]]+):\d{1,5}$/,
      "expected <address>:<port>, for example 127.0.0.1:5000",
    )
    .refine((text) => Number(text.slice(text.lastIndexOf(":") + 1)) <= 65_535, "expected a port up to 65535")
    .default("127.0.0.1:5000"),
  data: z.string().min(1).default("./berth-data"),
  workers: z.union([z.literal("auto"), z.coerce.number().int().min(1).max(64)]).default(1),
  "log-level": z.enum(logLevels).default("info"),
  tls: tlsSettings.optional(),
  mdns: z
    .string()
    .regex(/^[a-z0-9-]+(?:\.[a-z0-9-]+)*\.local$/i, "expected a host name that ends in .local")
    .optional(),
  access: z
    .strictObject({
      open: z.enum(["none", "pull", "push"]).optional(),
      "admin-password-file": z.string().min(1).optional(),
      htpasswd: z.string().min(1).optional(),
      "public-metrics": z.stringbool().or(z.boolean()).default(false),
      oidc: oidcSettings.optional(),
      workloads: z.array(workloadRule).default([]),
    })
    .default({ workloads: [], "public-metrics": false }),
  audit: z.strictObject({ "retain-days": z.coerce.number().positive().optional() }).default({}),
  "trusted-proxies": z
    .preprocess(
      (value) => (typeof value === "string" ? value.split(/[\s,]+/).filter((part) => part !== "") : value),
      z.array(z.string().refine(isNetwork, "expected an address or a network, for example 10.0.0.0/8")),
    )
    .default([]),
  "proxy-headers": z.enum(["x-forwarded", "forwarded"]).default("x-forwarded"),
  "public-url": z.url({ protocol: /^https?$/ }).optional(),
  cors: z
    .strictObject({
      origins: z.array(
        z.string().refine(isOrigin, "expected an origin, for example https://ui.example.com, or *"),
      ),
    })
    .default({ origins: [] }),
  tags: z.array(tagRule).default([]),
  quotas: z.array(quota).default([]),
  limits: z.array(requestLimit).default([]),
  gc: collectionSettings,
  verify: verifySettings,
  "max-open-uploads": z.coerce.number().int().min(1).default(10_000),
  "upload-expiry-hours": z.coerce.number().positive().default(24),
  "stall-seconds": z.coerce.number().positive().default(60),
  "drain-seconds": z.coerce.number().min(0).default(0),
  "stop-seconds": z.coerce.number().min(0).default(30),
});

/** How the server runs, checked. */
export type Settings = z.infer<typeof schema>;

/** A setting that is wrong; the message names each with its path, its value and what was expected. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

/** Paths of settings as flags and environment variables may give them, `tls.key` for `tls: { key }`. */
export const settingPaths = [
  "listen",
  "data",
  "workers",
  "log-level",
  "tls.certificate",
  "tls.key",
  "tls.folder",
  "mdns",
  "access.open",
  "access.admin-password-file",
  "access.htpasswd",
  "access.public-metrics",
  "audit.retain-days",
  "trusted-proxies",
  "proxy-headers",
  "public-url",
  "gc.grace",
  "gc.lease",
  "gc.every",
  "verify.every",
  "verify.rate",
  "max-open-uploads",
  "upload-expiry-hours",
  "stall-seconds",
  "drain-seconds",
  "stop-seconds",
] as const;

/**
 * Settings from flags over the environment (`BERTH_LOG_LEVEL`) over a YAML file.
 * @param flags values by path, as typed
 * @throws SettingsError
 */
export function loadSettings(
  flags: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string | undefined>>,
  file?: string,
): Settings {
  const given: Record<string, unknown> = file === undefined ? {} : readSettingsFile(file);
  for (const path of settingPaths) {
    const variable = `BERTH_${path.toUpperCase().replace(/[-.]/g, "_")}`;
    const value = flags[path] ?? environment[variable];
    if (value !== undefined) assign(given, path, value);
  }
  const result = schema.safeParse(given);
  if (result.success) return withSoundRules(result.data);
  const lines = result.error.issues.map((issue) => {
    const found = issue.path.reduce<unknown>(
      (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
      given,
    ); // safe: `?.` stops at what is no object
    const shown = found === undefined ? "" : ` is ${JSON.stringify(found)}`;
    return `${issue.path.join(".") || "settings"}${shown}: ${issue.message}`;
  });
  throw new SettingsError(lines.join("\n"));
}

/** @throws SettingsError when rules for tags contradict each other or can never match */
function withSoundRules(settings: Settings): Settings {
  const { errors } = findRuleFaults(placeRules(settings.tags, []));
  if (errors.length > 0) throw new SettingsError(errors.map((error) => `tags: ${error}`).join("\n"));
  return settings;
}

function readSettingsFile(file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = Bun.YAML.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    const what = errorCode(cause) === "ENOENT" ? "there is no such file" : found;
    throw new SettingsError(`${file}: ${what}`, { cause });
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== "object" || Array.isArray(value))
    throw new SettingsError(`${file}: expected settings by name`);
  return value as Record<string, unknown>; // safe: just checked; what is in it the schema checks
}

function assign(target: Record<string, unknown>, path: string, value: string): void {
  const [first = "", second] = path.split(".");
  if (second === undefined) target[first] = value;
  else target[first] = { ...(target[first] as object | undefined), [second]: value }; // safe: spreading checks nothing it needs
}

function isOrigin(text: string): boolean {
  return text === "*" || (URL.canParse(text) && new URL(text).origin === text);
}

/** Whether an address is reachable from this machine alone. */
export function isLoopback(listen: string): boolean {
  const host = listen.slice(0, listen.lastIndexOf(":"));
  return host === "localhost" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
