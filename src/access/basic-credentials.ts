/**
 * User name and password of an `Authorization` header; undefined when it is not Basic. "the user-id itself cannot
 * include a colon": https://www.rfc-editor.org/rfc/rfc7617
 */
export function parseBasic(header: string): readonly [username: string, password: string] | undefined {
  const [, encoded] = /^basic +(\S+)$/i.exec(header) ?? [];
  const text = encoded === undefined ? "" : Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : [text.slice(0, colon), text.slice(colon + 1)];
}
