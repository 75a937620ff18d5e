import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type BerthWithAccounts, startBerthWithAccounts } from "./fixtures/accounts.ts";
import { type CertificateFiles, makeCertificate } from "./fixtures/certificates.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { type RunningProxy, startShippedProxy } from "./fixtures/shipped-proxies.ts";
import { isAvailable } from "./programs.ts";

setDefaultTimeout(60_000);

let folder: string;
let berth: BerthWithAccounts;
let certificate: CertificateFiles;
let authority: string;

beforeAll(async () => {
  if (!isAvailable("openssl")) return;
  folder = await makeTemporaryFolder();
  certificate = await makeCertificate(folder, "proxy", { names: "IP:127.0.0.1" });
  authority = await readFile(certificate.certificate, "utf8");
  const settings = join(folder, "berth.yaml");
  await Bun.write(settings, JSON.stringify({ "trusted-proxies": ["127.0.0.1"] })); // JSON is YAML
  berth = await startBerthWithAccounts({ args: ["--config", settings] });
});
afterAll(async () => {
  await berth?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

const emptyIndex = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [] };
const largest = 64 * 1024 * 1024;

// docker goes through both in compose.test.ts.
describe.each(["nginx", "caddy"] as const)("Berth behind %s as it is shipped", (kind) => {
  const canRun = isAvailable(kind, "openssl");
  let proxy: RunningProxy;

  beforeAll(async () => {
    if (canRun) proxy = await startShippedProxy(kind, berth.host, certificate);
  });
  afterAll(() => proxy?.stop());

  /** Asks through the proxy, as the administrator. */
  const ask = (path: string, init: RequestInit & { readonly headers?: Record<string, string> } = {}) =>
    fetch(path.startsWith("/") ? `https://${proxy.host}${path}` : path, {
      ...init,
      headers: { authorization: berth.admin, ...init.headers },
      tls: { ca: authority },
    });

  test.skipIf(!canRun).each(["", "/registry"])(
    "below %j every URL that a client is told is right",
    async (prefix) => {
      const base = `https://${proxy.host}${prefix}`;
      const lies = {
        "x-forwarded-host": "evil.example",
        forwarded: "host=evil.example",
        "x-forwarded-prefix": "/evil",
      };
      const challenged = await ask(`${prefix}/v2/`, { headers: { authorization: "", ...lies } });
      expect(challenged.headers.get("www-authenticate")).toStartWith(`Bearer realm="${base}/token",`);
      expect((await ask(`${base}/token?service=berth`)).status).toBe(200);

      const begun = await ask(`${prefix}/v2/urls/a/blobs/uploads/`, { method: "POST", headers: lies });
      const place = begun.headers.get("location") ?? "";
      expect(place).toStartWith(`${prefix}/v2/urls/a/blobs/uploads/`);
      const bytes = `a blob of ${kind}`;
      const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
      const more = await ask(place, { method: "PATCH", body: bytes });
      expect(more.headers.get("location")).toBe(place);
      const ended = await ask(`${place}?digest=${digest}`, { method: "PUT" });
      expect(await (await ask(ended.headers.get("location") ?? "")).text()).toBe(bytes);

      for (const tag of ["a", "b"]) {
        const headers = { "content-type": emptyIndex.mediaType };
        const put = { method: "PUT", body: JSON.stringify(emptyIndex), headers };
        const { status, headers: told } = await ask(`${prefix}/v2/urls/a/manifests/${tag}`, put);
        expect(status).toBe(201);
        expect((await ask(told.get("location") ?? "")).status).toBe(200);
      }
      const link = (await ask(`${prefix}/v2/urls/a/tags/list?n=1`)).headers.get("link") ?? "";
      const [, next = ""] = /^<(.*)>; rel="next"$/.exec(link) ?? [];
      expect(next).toStartWith(`${prefix}/v2/urls/a/tags/list?`);
      expect(await (await ask(next)).json()).toEqual({ name: "urls/a", tags: ["b"] });
      expect((await ask(`${prefix}/api/v1/openapi.json`)).status).toBe(200);
    },
  );

  test.skipIf(!canRun)("the record has the client's address, whatever it says of itself", async () => {
    const headers = { "content-type": emptyIndex.mediaType, "x-forwarded-for": "203.0.113.9" };
    const body = JSON.stringify(emptyIndex);
    await ask(`/v2/records/${kind}/manifests/1`, { method: "PUT", body, headers });
    const record = await (await ask(`/api/v1/audit?repository=records/${kind}`)).text();
    expect(record).toContain('"address":"127.0.0.1"');
    expect(record).not.toContain("203.0.113.9");
  });

  test.skipIf(!canRun)("64 MiB without a length go in, as they come, and out again", async () => {
    const piece = new Uint8Array(1024 * 1024).map((_, at) => (at * 31) >> 3);
    const hash = createHash("sha256");
    for (let sent = 0; sent < largest; sent += piece.byteLength) hash.update(piece);
    const digest = `sha256:${hash.digest("hex")}`;
    const place = (await ask("/v2/large/a/blobs/uploads/", { method: "POST" })).headers.get("location") ?? "";
    const half = Promise.withResolvers<void>();
    let sent = 0;
    const body = new ReadableStream({
      async pull(controller) {
        controller.enqueue(piece);
        sent += piece.byteLength;
        if (sent === largest / 2) await half.promise;
        if (sent === largest) controller.close();
      },
    });
    const sending = ask(place, { method: "PATCH", body });
    // The first half is with Berth while the second is not sent yet: the proxy keeps nothing back.
    while ((await offsetOf(place)) < largest / 4) await Bun.sleep(20);
    half.resolve();
    expect((await sending).status).toBe(202);
    expect((await ask(`${place}?digest=${digest}`, { method: "PUT" })).status).toBe(201);
    const back = createHash("sha256");
    for await (const part of (await ask(`/v2/large/a/blobs/${digest}`)).body ?? []) back.update(part);
    expect(`sha256:${back.digest("hex")}`).toBe(digest);
  });

  /** How much of an upload Berth has, which is asked directly. */
  async function offsetOf(place: string): Promise<number> {
    const { headers } = await fetch(`${berth.url}${place}`, { headers: { authorization: berth.admin } });
    return Number(headers.get("upload-offset"));
  }
});
