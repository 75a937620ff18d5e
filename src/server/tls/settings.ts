import { join } from "node:path";
import { z } from "zod";

/** What a server shows to its clients, and who renews it. */
export interface TlsSettings {
  readonly certificate: string;
  readonly key: string;
  /** Where the authority is that made the certificate, and that renews it. */
  readonly folder?: string;
  /** Who gives the certificate, if an ACME server does. */
  readonly acme?: AcmeSettings;
}

const address = z.string().regex(/^.+:\d{1,5}$/, "expected <address>:<port>, for example 0.0.0.0:80");
const acmeSettings = z.strictObject({
  domains: z.array(z.string().regex(/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/, "expected a public host name")).min(1),
  email: z.email().optional(),
  directory: z.url({ protocol: /^https$/ }).default("https://acme-v02.api.letsencrypt.org/directory"),
  "agree-to-terms": z.literal(true, "say true when you agree to the terms of the ACME server"),
  /** Where the ACME server's questions are answered (HTTP-01), which comes to port 80 of each domain. */
  listen: address.default("0.0.0.0:80"),
  "ca-file": z.string().min(1).optional(),
});

/** How certificates are got by ACME. https://www.rfc-editor.org/rfc/rfc8555 */
export type AcmeSettings = z.infer<typeof acmeSettings>;

/** The settings of a server whose certificate an ACME server gives, kept in a folder. */
export function acmeTls(folder: string, acme: AcmeSettings): TlsSettings {
  return { certificate: join(folder, "server.pem"), key: join(folder, "server.key"), acme };
}

/** The settings of a server whose certificate is made by a local authority in a folder. */
export function localTls(folder: string): TlsSettings {
  return { certificate: join(folder, "server.pem"), key: join(folder, "server.key"), folder };
}

/** The authority's own certificate, which clients trust. */
export function authorityFile(folder: string): string {
  return join(folder, "authority.pem");
}

/** `tls` of the settings: `{ certificate, key }`, `{ folder }` of a local authority, or `{ acme }`. */
export const tlsSettings = z
  .strictObject({
    certificate: z.string().min(1).optional(),
    key: z.string().min(1).optional(),
    folder: z.string().min(1).optional(),
    acme: acmeSettings.optional(),
  })
  .transform(({ certificate, key, folder, acme }, context): TlsSettings => {
    const given = [certificate, key, folder].filter((one) => one !== undefined);
    if (acme !== undefined && given.length === 0) return acmeTls("acme", acme); // in the data, once that is known
    if (folder !== undefined && given.length === 1 && !acme) return localTls(folder);
    if (certificate !== undefined && key !== undefined && given.length === 2 && !acme)
      return { certificate, key };
    const isHalf = folder === undefined && !acme && (certificate === undefined) !== (key === undefined);
    context.issues.push({
      code: "custom",
      path: isHalf ? [key === undefined ? "key" : "certificate"] : [],
      input: undefined,
      message: "expected a certificate with its key, the folder of a local authority alone, or acme alone",
    });
    return z.NEVER;
  });
