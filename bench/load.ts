import { createHash, randomBytes } from "node:crypto";

/** Bytes to push, with their digest. */
export interface Content {
  readonly bytes: Buffer;
  readonly digest: string;
  /** The bytes as they are streamed, when that was prepared. */
  readonly framed?: Buffer;
}

const manifestType = "application/vnd.oci.image.manifest.v1+json";
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
    const answer = await sendBody("PATCH", location, content.framed ?? frame(content.bytes), true);
    location = new URL(/^location: (.*)\r$/im.exec(answer)?.[1] ?? "", url);
  }
  location.searchParams.set("digest", content.digest);
  if (streamed) await send(location.href, { method: "PUT" }, 201);
  else await sendBody("PUT", location, content.bytes, false);
}

const pieceSize = 64 * 1024;

/** A body as HTTP/1.1's chunks, made before the clock starts. */
export function frame(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.byteLength; at += pieceSize) {
    const piece = bytes.subarray(at, at + pieceSize);
    parts.push(Buffer.from(`${piece.byteLength.toString(16)}\r\n`), piece, Buffer.from("\r\n"));
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

/**
 * Sends a body over a connection of its own, as cheaply as the runtime can: the generator shares two cores with what it
 * measures. Resolves to the answer's text.
 */
async function sendBody(method: string, url: URL, body: Buffer, chunked: boolean): Promise<string> {
  const length = chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body.byteLength}`;
  const head = `${method} ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nConnection: close\r\n`;
  const found = await new Promise<string>((resolve, reject) => {
    let answer = "";
    let sent = 0;
    const more = (socket: Bun.Socket): void => {
      while (sent < body.byteLength) {
        const taken = socket.write(body.subarray(sent));
        if (taken <= 0) return; // goes on when the socket has drained
        sent += taken;
      }
    };
    Bun.connect({
      hostname: url.hostname,
      port: Number(url.port),
      socket: {
        open(socket) {
          socket.write(`${head}Content-Type: application/octet-stream\r\n${length}\r\n\r\n`);
          more(socket);
        },
        drain: more,
        data(_socket, bytes) {
          answer += bytes.toString("latin1");
        },
        close: () => resolve(answer),
        error: (_socket, error) => reject(error),
      },
    }).catch(reject);
  });
  if (!/^HTTP\/1\.1 20[12]/.test(found)) throw new Error(`${method} ${url}: ${found}`);
  return found;
}

/** Reads an answer to its end. Resolves to its size in bytes. */
export async function pull(url: string): Promise<number> {
  // docker-registry hides an OCI manifest from who does not ask for one.
  const response = await fetch(url, { headers: { accept: `${manifestType}, */*` } });
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
  const mediaType = manifestType;
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: descriptor(config, "application/vnd.oci.image.config.v1+json"),
    layers: layers.map((layer) => descriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip")),
  });
  const headers = { "content-type": mediaType };
  await send(`${url}/v2/${repository}/manifests/${tag}`, { method: "PUT", body, headers }, 201);
}

/**
 * Asks for the head of something again and again over `connections`, for some time: wrk and the like wait for the body
 * that an answer to HEAD announces and does not have. Resolves to answers a second.
 */
export async function headsPerSecond(address: string, connections: number, ms: number): Promise<number> {
  const url = new URL(address);
  const request = `HEAD ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`;
  let answers = 0;
  let failure: Error | undefined;
  const open = () =>
    Bun.connect({
      hostname: url.hostname,
      port: Number(url.port),
      socket: {
        open: (socket) => void socket.write(request),
        data(socket, bytes) {
          if (bytes.readUInt32BE(bytes.byteLength - 4) !== 0x0d0a0d0a) return; // the rest of the head follows
          if (bytes.toString("latin1", 9, 12) !== "200") failure = new Error(`HEAD ${url}: ${bytes}`);
          answers++;
          socket.write(request);
        },
        error(_socket, error) {
          failure = error;
        },
      },
    });
  const sockets = await Promise.all(Array.from({ length: connections }, open));
  const began = performance.now();
  const before = answers;
  await Bun.sleep(ms);
  const rate = ((answers - before) / (performance.now() - began)) * 1000;
  for (const socket of sockets) socket.end();
  if (failure) throw failure;
  return rate;
}
