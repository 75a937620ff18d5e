import { RegistryError } from "../../oci/errors.ts";
import type { ByteRange } from "../../registry/registry.ts";

/**
 * Parses a `Range` header for content of `size` bytes. https://www.rfc-editor.org/rfc/rfc9110#section-14.2
 * @returns undefined when the whole content is to be sent: a unit other than bytes, or several ranges
 * @throws RegistryError BLOB_RANGE_INVALID when the content has none of it, or the range ends before it begins
 */
export function parseRange(header: string, size: number): ByteRange | undefined {
  const match = /^bytes=\s*(\d*)-(\d*)\s*$/.exec(header);
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  const first = match[1] === "" ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const last = match[1] === "" || match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (first > last || (match[1] === "" && Number(match[2]) === 0)) {
    throw new RegistryError("BLOB_RANGE_INVALID", `the range ${header} is outside of the ${size} bytes`, {
      detail: { size },
    });
  }
  return { first, last };
}

/**
 * Parses the `Content-Range` of a chunk. "The <range> refers to the byte range of the chunk, and MUST be inclusive on
 * both ends", "MUST match the following regular expression: ^[0-9]+-[0-9]+$"; `bytes ` before and `/...` behind are
 * what HTTP has there, and are taken too.
 * @throws RegistryError UPLOAD_RANGE_INVALID
 */
export function parseContentRange(header: string): ByteRange {
  const match = /^(?:bytes[ =])?([0-9]{1,15})-([0-9]{1,15})(?:\/(?:\*|[0-9]+))?$/.exec(header.trim());
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (!match || last < first) {
    throw new RegistryError(
      "UPLOAD_RANGE_INVALID",
      `Content-Range ${JSON.stringify(header.slice(0, 80))} is not <first>-<last>`,
    );
  }
  return { first, last };
}
