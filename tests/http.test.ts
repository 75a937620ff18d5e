import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import {
  imageManifest,
  type PushedImage,
  pushBlob,
  pushImage,
  putManifest,
  sha256,
} from "./fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "./fixtures/registries.ts";

let berth: RunningRegistry;
let image: PushedImage;
let blob: string;
const bytes = new TextEncoder().encode("0123456789");

beforeAll(async () => {
  berth = await startBerth();
  image = await pushImage(berth.url, "http/base", "latest", [3000]);
  const digest = await pushBlob(berth.url, "http/base", bytes);
  blob = `http/base/blobs/${digest}`;
});
afterAll(() => berth.stop());

const ask = (path: string, init?: RequestInit) => fetch(`${berth.url}/v2/${path}`, init);
const askWith = (path: string, headers: Record<string, string>) => ask(path, { headers });

async function messageOf(answer: Response): Promise<string> {
  const { errors } = (await answer.json()) as { errors: { message: string }[] };
  return errors.map(({ message }) => message).join();
}

describe("GET of a blob", () => {
  test.each([
    ["bytes=2-4", "234", "bytes 2-4/10"],
    ["bytes=7-", "789", "bytes 7-9/10"],
    ["bytes=-2", "89", "bytes 8-9/10"],
    ["bytes=5-999", "56789", "bytes 5-9/10"],
  ])("getBlob answers 206 when %s is asked for", async (range, content, contentRange) => {
    const answer = await askWith(blob, { range });
    expect(answer.status).toBe(206);
    expect(answer.headers.get("content-range")).toBe(contentRange);
    expect(await answer.text()).toBe(content);
  });

  test.each(["bytes=10-", "bytes=5-4", "bytes=-0"])(
    "getBlob answers 416 when %s is asked for",
    async (range) => {
      const answer = await askWith(blob, { range });
      expect(answer.status).toBe(416);
      expect(answer.headers.get("content-range")).toBe("bytes */10");
      expect(await messageOf(answer)).toContain(range);
    },
  );

  test("getBlob sends a part only when If-Range names the blob", async () => {
    const same = await askWith(blob, { range: "bytes=0-1", "if-range": `"${sha256(bytes)}"` });
    expect([same.status, await same.text()]).toEqual([206, "01"]);
    const other = await askWith(blob, { range: "bytes=0-1", "if-range": '"other"' });
    expect([other.status, await other.text()]).toEqual([200, "0123456789"]);
  });
});

describe("caching", () => {
  test("serve answers 304 when the client has what it asks for", async () => {
    const known = { "if-none-match": `"other", W/"${image.digest}"` };
    for (const path of ["latest", image.digest]) {
      expect((await askWith(`http/base/manifests/${path}`, known)).status).toBe(304);
    }
    expect((await askWith(blob, { "if-none-match": `"${sha256(bytes)}"` })).status).toBe(304);
    expect((await askWith(blob, { "if-none-match": '"other"' })).status).toBe(200);
  });

  test("serve says what never changes, and what is to be asked for again", async () => {
    const cacheControl = async (path: string) => (await ask(path)).headers.get("cache-control");
    expect(await cacheControl(blob)).toContain("immutable");
    expect(await cacheControl(`http/base/manifests/${image.digest}`)).toContain("immutable");
    expect(await cacheControl("http/base/manifests/latest")).toBe("no-cache");
  });
});

async function offsetOf(place: string): Promise<number> {
  const state = await fetch(place);
  expect(state.status).toBe(204);
  const last = Number(state.headers.get("range")?.split("-")[1]);
  return last === 0 ? 0 : last + 1;
}

/** Sends the first bytes of a PATCH that announces more, and breaks off when some of them are stored. */
async function breakOff(place: string, sent: Uint8Array, announced: number): Promise<void> {
  const { hostname, port, pathname } = new URL(place);
  const head = `PATCH ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: ${announced}\r\n\r\n`;
  const socket = connect(Number(port), hostname, () =>
    socket.write(Buffer.concat([Buffer.from(head), sent])),
  );
  while ((await offsetOf(place)) === 0);
  socket.destroy();
}

/** Asks how far an upload came and sends the rest, as soon as the server noticed that the first sender is gone. */
async function resume(place: string, content: Uint8Array<ArrayBuffer>): Promise<Response> {
  for (;;) {
    const offset = await offsetOf(place);
    const headers = { "content-range": `${offset}-${content.byteLength - 1}` };
    const rest = await fetch(place, { method: "PATCH", body: content.slice(offset), headers });
    if (rest.status !== 416) return rest;
  }
}

describe("uploads", () => {
  const content = Buffer.alloc(2_000_000, "berth");

  test("patchUpload goes on where a broken connection ended", async () => {
    const begun = await ask("http/resumed/blobs/uploads/", { method: "POST" });
    const place = begun.headers.get("location") ?? "";
    await breakOff(berth.url + place, content.subarray(0, 1_500_001), content.byteLength);
    const rest = await resume(berth.url + place, content);
    expect(rest.status).toBe(202);
    const put = await fetch(`${berth.url}${place}?digest=${sha256(content)}`, { method: "PUT" });
    expect(put.status).toBe(201);
    const stored = await ask(`http/resumed/blobs/${sha256(content)}`);
    expect(sha256(await stored.bytes())).toBe(sha256(content));
  });

  test("patchUpload refuses a chunk out of order, and putUpload a digest that is another", async () => {
    const begun = await ask("http/order/blobs/uploads/", { method: "POST" });
    const place = berth.url + begun.headers.get("location");
    const headers = { "content-range": "5-9" };
    expect((await fetch(place, { method: "PATCH", body: "56789", headers })).status).toBe(416);
    const wrong = await fetch(`${place}?digest=${sha256("x")}`, { method: "PUT", body: "y" });
    expect(wrong.status).toBe(400);
    expect(await messageOf(wrong)).toContain(sha256("y"));
    expect((await ask(`http/order/blobs/${sha256("x")}`)).status).toBe(404);
  });
});

describe("what every answer says", () => {
  test.each([
    ["PUT", "", "GET, HEAD"],
    ["DELETE", "_catalog", "GET, HEAD"],
    ["POST", "a/manifests/b", "GET, HEAD, PUT, DELETE"],
    ["PUT", `a/blobs/${sha256("x")}`, "GET, HEAD, DELETE"],
    ["GET", "a/blobs/uploads/", "POST"],
    ["POST", "a/blobs/uploads/x", "GET, PATCH, PUT, DELETE"],
  ])("serve refuses %s of /v2/%s and says what is allowed", async (method, path, allow) => {
    const answer = await ask(path, { method });
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, allow]);
  });

  test("serve tells the id under which the log has a change or a failure", async () => {
    const begun = await ask("http/ids/blobs/uploads/", { method: "POST" });
    const failed = await ask("http/ids/manifests/none?token=geheim");
    for (const answer of [begun, failed]) {
      const id = answer.headers.get("x-request-id") ?? "no id";
      await berth.process.waitForOutput(new RegExp(`"requestId":"${id}"`));
    }
    expect(berth.process.output()).not.toContain("geheim");
  });
});

describe("the layer cache", () => {
  const layer = new TextEncoder().encode("a layer for all");
  const head = async (repository: string) =>
    (await ask(`${repository}/blobs/${sha256(layer)}`, { method: "HEAD" })).status;
  const get = async (repository: string) => (await ask(`${repository}/blobs/${sha256(layer)}`)).status;

  test("headBlob links a layer of another repository, but not one that was deleted here", async () => {
    await pushBlob(berth.url, "cache/first", layer);
    expect(await get("cache/second")).toBe(404);
    expect(await head("cache/second")).toBe(200);
    expect(await get("cache/second")).toBe(200);
    const deleted = await ask(`cache/second/blobs/${sha256(layer)}`, { method: "DELETE" });
    expect(deleted.status).toBe(202);
    expect(await head("cache/second")).toBe(404);
    await pushBlob(berth.url, "cache/second", layer);
    expect(await head("cache/second")).toBe(200);
  });

  test("stats count the bytes that were sent and those that were not", async () => {
    const counted = new TextEncoder().encode("counted");
    await pushBlob(berth.url, "stats/first", counted);
    await ask(`stats/second/blobs/${sha256(counted)}`, { method: "HEAD" });
    await putManifest(berth.url, "stats/second", "latest", imageManifest([counted]));
    const stats = (await (await fetch(`${berth.url}/api/v1/stats?n=1000`)).json()) as {
      repositories: Record<string, unknown>[];
    };
    const first = stats.repositories.find((entry) => Object.values(entry).includes("stats/first"));
    const second = stats.repositories.find((entry) => Object.values(entry).includes("stats/second"));
    expect(first).toMatchObject({ bytesReceived: 7, bytesSaved: 0 });
    expect(second).toMatchObject({ bytesReceived: 0, bytesSaved: 7 });
    const metrics = await (await fetch(`${berth.url}/metrics`)).text();
    expect(metrics).toContain('berth_repository_bytes_received_total{repository="stats/first"} 7\n');
    expect(metrics).toContain('berth_repository_bytes_saved_total{repository="stats/second"} 7\n');
  });
});

test("metrics count the bytes of uploads whose length was not announced", async () => {
  const counted = async () => {
    const text = await (await fetch(`${berth.url}/metrics`)).text();
    return Number(/^berth_blob_bytes_in_total (\d+)$/m.exec(text)?.[1]);
  };
  const before = await counted();
  const begun = await ask("http/streamed/blobs/uploads/", { method: "POST" });
  const place = berth.url + begun.headers.get("location");
  for (const size of [70_000, 30_000]) {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array(size));
        controller.close();
      },
    });
    expect((await fetch(place, { method: "PATCH", body })).status).toBe(202);
  }
  expect((await counted()) - before).toBe(100_000);
});

describe("lists", () => {
  test("listTags follows Link from page to page until all tags came", async () => {
    const tags = ["a", "b", "c", "d", "e"];
    await pushBlob(berth.url, "lists/tags", bytes);
    for (const tag of tags) await putManifest(berth.url, "lists/tags", tag, imageManifest([bytes]));
    const found: string[][] = [];
    let next: string | undefined = "/v2/lists/tags/tags/list?n=2";
    while (next !== undefined) {
      const answer: Response = await fetch(berth.url + next);
      found.push(((await answer.json()) as { tags: string[] }).tags);
      next = answer.headers.get("link")?.match(/^<(.+)>; rel="next"$/)?.[1];
    }
    expect(found).toEqual([["a", "b"], ["c", "d"], ["e"]]);
    expect(await (await ask("lists/tags/tags/list?last=c")).json()).toMatchObject({ tags: ["d", "e"] });
    const none = await ask("lists/tags/tags/list?n=0");
    expect([await none.json(), none.headers.get("link")]).toMatchObject([{ tags: [] }, null]);
    for (const n of ["x", "-1", ""]) expect((await ask(`lists/tags/tags/list?n=${n}`)).status).toBe(400);
    const beyond = await ask("lists/tags/tags/list?n=99999999999999999999&last=zzz");
    expect([await beyond.json(), beyond.headers.get("link")]).toMatchObject([{ tags: [] }, null]);
  });

  test("getTag names what is there when a tag or a repository is not", async () => {
    await pushBlob(berth.url, "gallery/ui", bytes);
    for (const tag of ["1.0", "1.1"]) await putManifest(berth.url, "gallery/ui", tag, imageManifest([bytes]));
    const tagless = await ask("gallery/ui/manifests/latest");
    expect(tagless.status).toBe(404);
    expect(await messageOf(tagless)).toMatch(/gallery\/ui.*latest.*1\.1/);
    for (let minor = 2; minor < 9; minor++)
      await putManifest(berth.url, "gallery/ui", `1.${minor}`, imageManifest([bytes]));
    const many = await messageOf(await ask("gallery/ui/manifests/1"));
    expect(many.split(":")[1]?.split(",")).toHaveLength(5);
    const near = await ask("gallery/uu/manifests/1.0");
    expect(near.status).toBe(404);
    expect(await messageOf(near)).toContain("gallery/ui");
  });
});

describe("bad input", () => {
  test("putManifest answers 413 when the manifest is over the limit", async () => {
    const tooLarge = new Uint8Array(16 * 1024 * 1024).fill(0x20);
    expect((await putManifest(berth.url, "http/base", "large", tooLarge)).status).toBe(413);
    expect((await fetch(`${berth.url}/readyz`)).status).toBe(200);
  });

  test.each([
    ["{", "MANIFEST_INVALID", 400],
    ['{"schemaVersion":2,"schemaVersion":2}', "MANIFEST_INVALID", 400],
    ['{"schemaVersion":1}', "MANIFEST_INVALID", 400],
    ["[".repeat(100_000), "MANIFEST_INVALID", 400],
    [imageManifest([new TextEncoder().encode("missing")]), "MANIFEST_BLOB_UNKNOWN", 404],
  ])("putManifest refuses %#", async (manifest, code, status) => {
    const answer = await putManifest(berth.url, "http/base", "bad", manifest);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ errors: [{ code }] });
    expect((await ask("http/base/manifests/bad")).status).toBe(404);
  });

  test.each([
    ["Http/base/manifests/latest"],
    ["http/base/manifests/-bad"],
    ["http/base/blobs/sha256:12"],
    ["http/base/blobs/md5:d41d8cd98f00b204e9800998ecf8427e"],
    ["http%2Fbase/manifests/%00"],
    [`${"a/".repeat(200)}b/tags/list`],
    ["http/base/blobs/uploads/..%2F..%2Fmetadata.db"],
  ])("serve answers 400 or 404 when %s is asked for", async (path) => {
    expect([400, 404]).toContain((await ask(path)).status);
  });
});

describe("two clients at once", () => {
  test("serve takes the same blob from both", async () => {
    const same = Buffer.alloc(400_000, "same");
    const pushes = Array.from({ length: 4 }, () => pushBlob(berth.url, "race/blob", same));
    expect(await Promise.all(pushes)).toEqual(Array(4).fill(sha256(same)));
    expect(sha256(await (await ask(`race/blob/blobs/${sha256(same)}`)).bytes())).toBe(sha256(same));
  });

  test("serve gives the same tag to one of them, whole", async () => {
    const pushes = Array.from({ length: 4 }, () => pushImage(berth.url, "race/tag", "latest", [2000]));
    const images = await Promise.all(pushes);
    const held = await (await ask("race/tag/manifests/latest")).text();
    expect(images.map(({ manifest }) => manifest)).toContain(held);
    for (const { digest } of images) expect((await ask(`race/tag/manifests/${digest}`)).status).toBe(200);
  });
});
