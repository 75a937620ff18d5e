import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import {
  imageManifest,
  missingOf,
  type PushedImage,
  pushBlob,
  pushImage,
  sha256,
} from "./fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "./fixtures/registries.ts";

let folder: string;
let berth: RunningRegistry;
let image: PushedImage;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  berth = await startBerth({ data: join(folder, "data") });
  await pushImage(berth.url, "fuzz/kept", "latest", [5000]);
  image = await pushImage(berth.url, "held/image", "latest", [5000]); // no random request names it, so none may delete it
});
afterAll(async () => {
  await berth.stop();
  await rm(folder, { recursive: true });
});

/** Sends bytes over a connection of their own and ends it. Resolves to all that was answered. */
function exchange(bytes: Uint8Array): Promise<string> {
  const { hostname, port } = new URL(berth.url);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => socket.end(bytes));
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", () => {}); // being cut off is one of the right answers
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
    socket.setTimeout(2000, () => socket.destroy());
  });
}

function expectNoDefect(answer: string): void {
  if (answer === "") return;
  expect(answer).toMatch(/^HTTP\/1\.1 [12345]\d\d/);
  expect(answer).not.toMatch(/HTTP\/1\.1 500/);
  expect(answer).not.toMatch(/\n\s+at .+:\d+|node_modules|\.ts:\d+|root:.*:0:0:/);
}

/** The server lives, holds what it held, and made no file but its own. */
async function expectUnharmed(): Promise<void> {
  expect((await fetch(`${berth.url}/readyz`)).status).toBe(200);
  expect(await missingOf(berth.url, image)).toEqual([]);
  expect(await readdir(folder)).toEqual(["data"]);
  for (const name of await readdir(join(folder, "data"))) {
    expect(name).toMatch(
      /^(?:address|blobs|uploads|removed|reserve|(?:metadata|lock)\.db(?:-wal|-shm|-journal)?)$/,
    );
  }
}

const digest = sha256("absent");
const segment = fc.oneof(
  fc.constantFrom(
    ...["v2", "V2", "_catalog", "fuzz", "kept", "manifests", "blobs", "uploads", "tags", "list", "referrers"],
    ...[
      "..",
      ".",
      "",
      "%2F",
      "%2e%2e",
      "%00",
      "%",
      "%zz",
      "%ff",
      "latest",
      "Latest",
      digest,
      "sha256:",
      "\\",
    ],
    ...["etc", "passwd", "metadata.db", "a".repeat(300), "a".repeat(20_000), "constructor", "__proto__"],
  ),
  fc.string({ maxLength: 12 }).map((text) => text.replace(/[\s#?]/g, "")),
);
const query = fc.constantFrom(
  ...["", "?", "?n=0", "?n=-1", "?n=99999999999", "?last=%00", "?last=%ff", "?tag=..", "?digest=sha256:1"],
  ...[
    "?mount=x",
    `?mount=${digest}&from=../x`,
    `?digest=${digest}`,
    "?digest-algorithm=md5",
    "?artifactType=%",
  ],
);
const path = fc
  .tuple(
    fc.constantFrom("/v2/", "/v2/fuzz/kept/", "/v2/fuzz/kept/manifests/", "/v2/fuzz/kept/blobs/", "/"),
    fc.array(segment, { maxLength: 6 }),
    query,
  )
  .map(([prefix, segments, query]) => prefix + segments.join("/") + query);
const method = fc.constantFrom(
  ...["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "BREW", ""],
);
const headerName = fc.constantFrom(
  ...["Range", "Content-Range", "Content-Length", "Accept", "If-None-Match", "If-Range", "Content-Type"],
  ...["Transfer-Encoding", "Expect", "Host", "Authorization", "X-Forwarded-For"],
);
const headerValue = fc.oneof(
  fc.constantFrom(
    ...[
      "bytes=0-",
      "bytes=-0",
      "bytes=9-1",
      "bytes=0-1,3-4",
      "0-4",
      "5-1",
      "bytes 0-9/*",
      "-1",
      "0",
      "1",
      "99",
    ],
    ...["1e3", "999999999999999999999", "*", '"', `"${digest}"`, "chunked", "100-continue", "a".repeat(9000)],
    ...["application/vnd.oci.image.manifest.v1+json", "application/json; charset=x", "text/html"],
  ),
  fc.string({ maxLength: 20 }).map((text) => text.replace(/[\r\n]/g, "")),
);
const body = fc.oneof(
  fc.constant(new Uint8Array()),
  fc.uint8Array({ maxLength: 200 }),
  fc.json().map((text) => new TextEncoder().encode(text)),
);

test("serve answers without a defect whatever the method, path, headers and body are", async () => {
  const request = fc.tuple(
    method,
    path,
    fc.array(fc.tuple(headerName, headerValue), { maxLength: 4 }),
    body,
    fc.boolean(),
  );
  await fc.assert(
    fc.asyncProperty(request, async ([method, path, headers, body, honest]) => {
      const length = honest ? [["Content-Length", String(body.byteLength)]] : [];
      const lines = [["Host", berth.host], ["Connection", "close"], ...length, ...headers];
      const head = `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
      expectNoDefect(await exchange(Buffer.concat([Buffer.from(head), body])));
    }),
    { numRuns: 1500, interruptAfterTimeLimit: 12_000, endOnFailure: true },
  );
  await expectUnharmed();
}, 40_000);

const spoilt = fc.oneof(
  fc.json().map((value) => ["config", value]),
  fc.json().map((value) => ["layers", value]),
  fc.constantFrom(
    ["mediaType", '"application/vnd.docker.distribution.manifest.v1+json"'],
    ["schemaVersion", "1"],
    ["layers", `[{"mediaType":"a/b","digest":"${digest}","size":-1}]`],
    ["subject", `{"digest":"../../x"}`],
    ["annotations", "[".repeat(50_000)],
    ["annotations", `${"[".repeat(20_000)}${"]".repeat(20_000)}`],
    ["__proto__", '{"layers":1}'],
    ["schemaVersion", "2"], // a duplicate
  ),
);

test("serve takes a manifest whole or not at all however it is changed", async () => {
  await fc.assert(
    fc.asyncProperty(spoilt, fc.nat(), async ([key, value], run) => {
      const text = image.manifest.replace(/}$/, `,${JSON.stringify(key)}:${value}}`);
      const url = `${berth.url}/v2/held/image/manifests/m${run}`;
      const headers = { "content-type": "application/vnd.oci.image.manifest.v1+json" };
      const answer = await fetch(url, { method: "PUT", body: text, headers });
      const said = await answer.text();
      expect([201, 400, 404]).toContain(answer.status);
      const stored = await fetch(url);
      const held = await stored.text();
      if (answer.status === 201) expect(held).toBe(text);
      else
        expect({ status: stored.status, message: said.includes("message") }).toEqual({
          status: 404,
          message: true,
        });
      await fetch(url, { method: "DELETE" });
    }),
    { numRuns: 400, interruptAfterTimeLimit: 8000, endOnFailure: true },
  );
  await expectUnharmed();
}, 30_000);

test("serve stores nothing of a push that is cut off at any byte", async () => {
  const bytes = new TextEncoder().encode("cut".repeat(500));
  await pushBlob(berth.url, "fuzz/kept", bytes);
  const manifest = imageManifest([bytes]);
  const target = `/v2/fuzz/kept/manifests/cut`;
  const blob = `other ${"x".repeat(900)}`;
  const whole = {
    manifest: `PUT ${target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: ${manifest.length}\r\n\r\n${manifest}`,
    blob: `POST /v2/fuzz/kept/blobs/uploads/?digest=${sha256(blob)} HTTP/1.1\r\nHost: x\r\nContent-Length: ${blob.length}\r\n\r\n${blob}`,
  };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("manifest", "blob"),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      async (kind, part) => {
        const text = whole[kind];
        expectNoDefect(await exchange(Buffer.from(text.slice(0, Math.floor(text.length * part)))));
        expect((await fetch(berth.url + target)).status).toBe(404);
        expect((await fetch(`${berth.url}/v2/fuzz/kept/blobs/${sha256(blob)}`)).status).toBe(404);
      },
    ),
    { numRuns: 200, interruptAfterTimeLimit: 8000, endOnFailure: true },
  );
  await expectUnharmed();
}, 30_000);
