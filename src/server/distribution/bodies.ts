import { isRegistryError, RegistryError } from "../../oci/errors.ts";

/**
 * Reads a request's body into memory, up to `most` bytes. Its length need not be announced, so what comes is counted.
 * @param what the body is, for messages: `the manifest`
 * @throws RegistryError MANIFEST_TOO_LARGE; BODY_INCOMPLETE
 */
export async function readBody(request: Request, most: number, what: string): Promise<Uint8Array> {
  const tooLarge = (size: number) =>
    new RegistryError("MANIFEST_TOO_LARGE", `${what} has ${size} bytes or more, the most is ${most}`);
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > most) throw tooLarge(announced);
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of request.body ?? []) {
      size += part.byteLength;
      if (size > most) throw tooLarge(size);
      parts.push(part);
    }
  } catch (cause) {
    if (isRegistryError(cause)) throw cause;
    throw new RegistryError("BODY_INCOMPLETE", `${what} broke off after ${size} bytes: send it again`, {
      cause,
    });
  }
  return parts.length === 1 && parts[0] ? parts[0] : new Uint8Array(Buffer.concat(parts));
}
