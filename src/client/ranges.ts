/** Bytes of an answer 206 or 416, and of how many. */
export interface ContentRange {
  readonly first: number | undefined;
  readonly last: number | undefined;
  /** Of the whole; `undefined` when the server does not know. */
  readonly size: number | undefined;
}

const shape = /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(?:(\d{1,15})|\*)$/;

/** `Content-Range`. https://www.rfc-editor.org/rfc/rfc9110#section-14.4 */
export function contentRangeOf(headers: ReadonlyMap<string, string>): ContentRange | undefined {
  const found = shape.exec(headers.get("content-range") ?? "");
  if (!found) return undefined;
  const [first, last, size] = found
    .slice(1)
    .map((digits) => (digits === undefined ? undefined : Number(digits)));
  return { first, last, size };
}

/** `Content-Length`, when it is that of the content itself. */
export function sizeOf(headers: ReadonlyMap<string, string>): number | undefined {
  const length = headers.get("content-length");
  if (length === undefined || !/^\d{1,15}$/.test(length) || isEncoded(headers)) return undefined;
  return Number(length);
}

function isEncoded(headers: ReadonlyMap<string, string>): boolean {
  const encoding = headers.get("content-encoding");
  return encoding !== undefined && encoding !== "identity";
}

/** An entity tag by which a server can tell that the bytes are the same: not one that begins with `W/`. */
export function strongTagOf(headers: ReadonlyMap<string, string>): string | undefined {
  const tag = headers.get("etag");
  return tag?.startsWith('"') ? tag : undefined;
}
