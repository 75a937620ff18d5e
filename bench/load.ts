import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";

/** Bytes to push, with their digest. */
export interface Content {
  readonly bytes: Buffer;
  readonly digest: string;
}

const pool = randomBytes(100 * 1024 * 1024);
let made = 0;

/** Fresh content that cannot be compressed and that no registry has. */
export function makeContent(size: number): Content {
  const bytes = Buffer.from(pool.subarray(0, size));
  bytes.writeUInt32LE(++made, 0);
  bytes.writeUInt32LE(process.pid, 4);
  return { bytes, digest: digestOf(bytes) };
}

export function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

async function send(url: string, init: RequestInit, expected: number): Promise<Response> {
  const response = await fetch(url, init);
  if (response.status !== expected) {
    throw new Error(`${init.method} ${url}: ${response.status} ${await response.text()}`);
  }
  await response.arrayBuffer();
  return response;
}

/** Pushes a blob: in the request that ends the upload, or streamed without a length before it. */
export async function pushBlob(
  url: string,
  repository: string,
  content: Content,
  streamed: boolean,
): Promise<void> {
  const started = await send(`${url}/v2/${repository}/blobs/uploads/`, { method: "POST" }, 202);
  let location = new URL(started.headers.get("location") ?? "", url);
  if (streamed) {
    const answer = await sendBody("PATCH", location, content.bytes, true);
    location = new URL(/^location: (.*)\r$/im.exec(answer)?.[1] ?? "", url);
  }
  location.searchParams.set("digest", content.digest);
  if (streamed) await send(location.href, { method: "PUT" }, 201);
  else await sendBody("PUT", location, content.bytes, false);
}

const pieceSize = 64 * 1024;

/**
 * Sends a body over a connection of its own, as cheaply as the runtime can: the generator shares two cores with what it
 * measures. Resolves to the answer's text.
 */
async function sendBody(method: string, url: URL, body: Buffer, chunked: boolean): Promise<string> {
  const socket = connect(Number(url.port), url.hostname);
  const answer = text(socket);
  const length = chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body.byteLength}`;
  const head = `${method} ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nConnection: close\r\n`;
  socket.write(`${head}Content-Type: application/octet-stream\r\n${length}\r\n\r\n`);
  for (let at = 0; at < body.byteLength; at += pieceSize) {
    const piece = body.subarray(at, at + pieceSize);
    if (chunked) socket.write(`${piece.byteLength.toString(16)}\r\n`);
    const more = socket.write(piece);
    if (chunked) socket.write("\r\n");
    if (!more) await once(socket, "drain");
  }
  if (chunked) socket.write("0\r\n\r\n");
  const found = await answer;
  if (!/^HTTP\/1\.1 20[12]/.test(found)) throw new Error(`${method} ${url}: ${found}`);
  return found;
}

/** Reads an answer to its end. Resolves to its size in bytes. */
export async function pull(url: string): Promise<number> {
  const response = await fetch(url);
  if (response.status !== 200 || !response.body) throw new Error(`GET ${url}: ${response.status}`);
  let size = 0;
  for await (const part of response.body) size += part.byteLength;
  return size;
}

/** Pushes an image of a config and small layers as clients do: HEAD, upload, manifest. */
export async function pushImage(
  url: string,
  repository: string,
  tag: string,
  layers: readonly Content[],
): Promise<void> {
  const config = makeContent(500);
  for (const content of [config, ...layers]) {
    const known = await fetch(`${url}/v2/${repository}/blobs/${content.digest}`, { method: "HEAD" });
    if (known.status !== 200) await pushBlob(url, repository, content, false);
  }
  const descriptor = (content: Content, mediaType: string) => ({
    mediaType,
    digest: content.digest,
    size: content.bytes.byteLength,
  });
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: descriptor(config, "application/vnd.oci.image.config.v1+json"),
    layers: layers.map((layer) => descriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip")),
  });
  const headers = { "content-type": mediaType };
  await send(`${url}/v2/${repository}/manifests/${tag}`, { method: "PUT", body, headers }, 201);
}
