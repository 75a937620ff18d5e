import { quote, RegistryError } from "../oci/errors.ts";
import { parseObject } from "./document.ts";

/** The file oci-layout of a layout. */
export const layoutVersionBytes = new TextEncoder().encode('{"imageLayoutVersion":"1.0.0"}');

/** @throws RegistryError MANIFEST_INVALID when the file oci-layout names a version that is not known */
export function checkLayoutVersion(bytes: Uint8Array, where: string): void {
  const { imageLayoutVersion: found } = parseObject(bytes, where);
  if (typeof found === "string" && /^1\.\d+\.\d+$/.test(found)) return;
  throw new RegistryError(
    "MANIFEST_INVALID",
    `${where} names the layout version ${quote(String(found))}, expected "1.0.0"`,
  );
}
