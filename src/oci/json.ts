/** What a text says as JSON; `undefined` when it is none, which whoever looks at the value then refuses. */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
