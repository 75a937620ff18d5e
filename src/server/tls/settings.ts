import { join } from "node:path";
import { z } from "zod";

/** What a server shows to its clients, and who renews it. */
export interface TlsSettings {
  readonly certificate: string;
  readonly key: string;
  /** Where the authority is that made the certificate, and that renews it. */
  readonly folder?: string;
}

/** The settings of a server whose certificate is made by a local authority in a folder. */
export function localTls(folder: string): TlsSettings {
  return { certificate: join(folder, "server.pem"), key: join(folder, "server.key"), folder };
}

/** The authority's own certificate, which clients trust. */
export function authorityFile(folder: string): string {
  return join(folder, "authority.pem");
}

/** `tls` of the settings: `{ certificate, key }`, or `{ folder }` of a local authority. */
export const tlsSettings = z
  .strictObject({
    certificate: z.string().min(1).optional(),
    key: z.string().min(1).optional(),
    folder: z.string().min(1).optional(),
  })
  .transform(({ certificate, key, folder }, context): TlsSettings => {
    if (folder !== undefined && certificate === undefined && key === undefined) return localTls(folder);
    if (certificate !== undefined && key !== undefined && folder === undefined) return { certificate, key };
    const isHalf = folder === undefined && (certificate === undefined) !== (key === undefined);
    context.issues.push({
      code: "custom",
      path: isHalf ? [key === undefined ? "key" : "certificate"] : [],
      input: undefined,
      message: "expected a certificate with its key, or the folder of a local authority alone",
    });
    return z.NEVER;
  });
