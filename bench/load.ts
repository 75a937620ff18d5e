import { createHash, randomBytes } from "node:crypto";

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
  let location = new URL(started.headers.get("location") ?? "", url).href;
  const headers = { "content-type": "application/octet-stream" };
  if (streamed) {
    const patched = await send(location, { method: "PATCH", body: streamOf(content.bytes), headers }, 202);
    location = new URL(patched.headers.get("location") ?? "", url).href;
  }
  const last = `${location}${location.includes("?") ? "&" : "?"}digest=${content.digest}`;
  await send(last, { method: "PUT", headers, ...(streamed ? {} : { body: content.bytes }) }, 201);
}

function streamOf(bytes: Buffer): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.byteLength) return controller.close();
      controller.enqueue(new Uint8Array(bytes.subarray(at, at + 65_536)));
      at += 65_536;
    },
  });
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
