/** One server-sent event. */
export interface ServerSentEvent {
  /** What to resume with; also of an event without data, which only moves it on. */
  readonly id: string | undefined;
  readonly data: string | undefined;
}

/** A line that is longer than this is none of ours. */
const maxPending = 16 * 1024 * 1024;

/**
 * The events of a stream, as they come. https://html.spec.whatwg.org/multipage/server-sent-events.html
 * @throws the stream's own error
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  const decoder = new TextDecoder();
  let pending = "";
  for await (const chunk of body) {
    pending += decoder.decode(chunk, { stream: true }).replaceAll("\r\n", "\n");
    const blocks = pending.split("\n\n");
    pending = blocks.pop() ?? "";
    if (pending.length > maxPending) throw new Error("an event is too long");
    for (const block of blocks) yield parseEvent(block);
  }
}

function parseEvent(block: string): ServerSentEvent {
  let id: string | undefined;
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "id") id = value;
    if (name === "data") data.push(value);
  }
  return { id, data: data.length > 0 ? data.join("\n") : undefined };
}
