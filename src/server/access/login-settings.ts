import { z } from "zod";
import { isAccountName } from "../../access/identities.ts";
import { roles } from "../../access/roles.ts";
import { repositoryPattern } from "../api/schemas.ts";
import { duration } from "../settings/duration-setting.ts";

/** Tokens and keys must not come from where others can write on the way. */
const issuer = z
  .url({ protocol: /^https?$/ })
  .refine(
    (text) => text.startsWith("https:") || /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])[:/]/.test(text),
    "expected an https: address",
  );

/** Where people log in with OpenID Connect. */
export const oidcSettings = z.strictObject({
  issuer,
  "client-id": z.string().min(1),
  "client-secret-file": z.string().min(1).optional(),
  scopes: z.array(z.string().min(1)).default(["profile", "email"]),
  "username-claim": z.string().min(1).default("preferred_username"),
  "groups-claim": z.string().min(1).default("groups"),
  session: duration.default(24 * 3_600_000),
});

const claim = z
  .string()
  .min(1)
  .refine(
    (text) => !/^\**$/.test(text),
    "expected more than stars: everybody whom the issuer knows would get in",
  );

/** Which build jobs are let in, by the tokens of their issuer. */
export const workloadRule = z.strictObject({
  name: z.string().refine(isAccountName, "expected a name that an account can have"),
  issuer,
  audience: z.string().min(1),
  claims: z
    .record(z.string(), claim)
    .refine((claims) => Object.keys(claims).length > 0, "expected a claim, such as repository or sub"),
  grants: z.array(z.strictObject({ role: z.enum(roles), repositories: repositoryPattern })).min(1),
  lifetime: duration.default(3_600_000),
});
