import { isRegistryError } from "../../oci/errors.ts";
import type { Machine } from "./machine.ts";

/** Certificates of authorities (PEM) in a file. */
export interface AuthorityFile {
  readonly file: string;
  readonly text: string;
}

const systemFiles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const folders = [
  "/etc/docker/certs.d",
  "/etc/containers/certs.d",
  "/etc/containerd/certs.d",
  "/etc/buildkit/certs.d",
];

/** The authorities that everything on a machine trusts. */
export function systemAuthorities(machine: Machine): AuthorityFile | undefined {
  return filesOf(systemFiles, machine)[0];
}

/** The authorities that engines on a machine trust for one registry, as far as they are in the usual places. */
export function authoritiesFor(registry: string, machine: Machine): readonly AuthorityFile[] {
  const files = folders.map((folder) => `${folder}/${registry}/ca.crt`);
  return filesOf(files, machine);
}

function filesOf(files: readonly string[], machine: Machine): readonly AuthorityFile[] {
  return files.flatMap((file) => {
    const text = readIfAllowed(file, machine);
    return text?.includes("-----BEGIN ") ? [{ file, text }] : [];
  });
}

/** Engines keep their settings from users who are not root, who then have to do without. */
function readIfAllowed(file: string, machine: Machine): string | undefined {
  try {
    return machine.read(file);
  } catch (error) {
    if (isRegistryError(error, "DENIED")) return undefined;
    throw error;
  }
}
