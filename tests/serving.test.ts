import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { copyFile, cp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { makeCertificate } from "./fixtures/certificates.ts";
import { attempt, makeTemporaryFolder, startProcess } from "./fixtures/processes.ts";
import { startBerth } from "./fixtures/registries.ts";
import { isAvailable, programPath } from "./programs.ts";

const main = join(import.meta.dir, "..", "src", "cli", "main.ts");
const serve = (...args: string[]) => attempt(process.execPath, [main, "serve", ...args]);
let folder: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

describe("berth serve", () => {
  test("serve wants accounts on an address that others reach, and shows the first password once", async () => {
    const data = join(folder, "a");
    const started = async () => {
      const server = startProcess(process.execPath, [main, "serve", "--listen", "0.0.0.0:0", "--data", data]);
      const [, port] = await server.waitForOutput(/listens on http:\/\/0\.0\.0\.0:(\d+)[\s\S]*docker pull/);
      return { server, url: `http://127.0.0.1:${port}/v2/` };
    };
    const first = await started();
    const password = /the password (\w+)/.exec(first.server.output())?.[1] ?? "";
    const asked = await fetch(first.url);
    expect(asked.status).toBe(401);
    expect(asked.headers.get("www-authenticate")).toStartWith('Bearer realm="http://127.0.0.1:');
    const authorization = `Basic ${btoa(`admin:${password}`)}`;
    expect((await fetch(first.url, { headers: { authorization } })).status).toBe(200);
    await first.server.stop();
    const second = await started();
    expect(second.server.output()).not.toContain("password");
    expect((await fetch(second.url, { headers: { authorization } })).status).toBe(200);
    await second.server.stop();
  });

  test.each(["1", "2"])(
    "serve shows the first password and ends when it then cannot listen, with --workers %s",
    async (workers) => {
      const first = join(folder, "first.pem"); // is not there
      const data = join(folder, `locked-out-${workers}`);
      const tls = ["--tls-certificate", first, "--tls-key", first];
      const failed = await serve("--listen", "0.0.0.0:0", "--data", data, "--workers", workers, ...tls);
      expect(failed.exitCode).toBe(2);
      expect(failed.stderr).toContain(first);
      const password = /the password (\w+)/.exec(failed.stdout)?.[1] ?? "";
      const berth = await startBerth({ data, args: ["--workers", workers] });
      const headers = { authorization: `Basic ${btoa(`admin:${password}`)}` };
      expect((await fetch(`${berth.url}/v2/`, { headers })).status).toBe(200);
      await berth.stop();
    },
  );

  test("serve logs a client that left in the middle of an upload as no fault of its own", async () => {
    const berth = await startBerth({ args: ["--log-level", "info"] });
    const started = await fetch(`${berth.url}/v2/left/behind/blobs/uploads/`, { method: "POST" });
    const socket = connect(Number(new URL(berth.url).port), "127.0.0.1");
    const { pathname, search } = new URL(started.headers.get("location") ?? "", berth.url);
    socket.write(`PATCH ${pathname}${search} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n`);
    socket.write(new Uint8Array(300_000), () => socket.destroy());
    await berth.process.waitForOutput(/"method":"PATCH".*"status":408.*\n/);
    expect(berth.process.output()).not.toContain('"level":50');
    const metrics = await fetch(`${berth.url}/metrics`).then((answer) => answer.text());
    expect(metrics).not.toMatch(/status="500"/);
    await berth.stop();
  });

  test("serve sums the metrics of its workers and starts again one that died", async () => {
    const berth = await startBerth({ args: ["--workers", "2"] });
    try {
      for (let request = 0; request < 20; request++) {
        await fetch(`${berth.url}/v2/`, { headers: { connection: "close" } });
      }
      const metrics = await (await fetch(`${berth.url}/metrics`)).text();
      expect(metrics).toContain('berth_http_requests_total{route="base",method="GET",code="200"} 20\n');
      const children = await readFile(
        `/proc/${berth.process.pid}/task/${berth.process.pid}/children`,
        "utf8",
      );
      process.kill(Number(children.trim().split(" ")[0]), "SIGKILL");
      await berth.process.waitForOutput(/a worker ended, starting it again/);
      expect((await fetch(`${berth.url}/readyz`)).status).toBe(200);
    } finally {
      await berth.stop();
    }
  });

  test("serve ends connections whose headers are too long or do not come", async () => {
    const berth = await startBerth();
    const send = async (head: string, more: string) => {
      const [hostname, port] = berth.host.split(":");
      const socket = connect(Number(port), hostname);
      socket.write(head);
      socket.on("error", () => {}); // it may be reset
      const slowly = setInterval(() => socket.write(more), 1000);
      const answer = await text(socket).catch(() => ""); // ends when the server ends it
      clearInterval(slowly);
      return answer;
    };
    try {
      const [long, slow, silent] = await Promise.all([
        send(`GET /v2/ HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(100_000)}\r\n\r\n`, ""),
        send("GET /v2/ HTTP/1.1\r\nHost: x\r\n", "X: x\r\n"),
        send("", ""),
      ]);
      expect(long).toStartWith("HTTP/1.1 431");
      expect([slow, silent]).toEqual(["", ""]);
      expect((await fetch(`${berth.url}/readyz`)).status).toBe(200);
    } finally {
      await berth.stop();
    }
  }, 60_000);

  test.each(["1", "2"])(
    "serve says that it is stopping before it takes no more connections, with --workers %s",
    async (workers) => {
      const settings = join(folder, "draining.yaml");
      await Bun.write(settings, JSON.stringify({ "drain-seconds": 2 })); // JSON is YAML
      const berth = await startBerth({ args: ["--config", settings, "--workers", workers] });
      const status = async (page: string) => (await fetch(`${berth.url}${page}`)).status;
      expect(await status("/readyz")).toBe(200);
      const stopped = berth.process.stop();
      await waitUntil(async () => (await status("/readyz")) === 503);
      expect(await status("/healthz")).toBe(200);
      expect(await status("/v2/")).toBe(200);
      expect(await stopped).toBe(0);
      await berth.stop();
    },
  );

  test("serve ends when it is told to, also without the thread that shortens the log", async () => {
    const copy = join(folder, "copy");
    const checkout = join(import.meta.dir, "..");
    await cp(join(checkout, "src"), join(copy, "src"), { recursive: true });
    await copyFile(join(checkout, "package.json"), join(copy, "package.json"));
    await symlink(join(checkout, "node_modules"), join(copy, "node_modules"));
    await rm(join(copy, "src", "store", "metadata", "sqlite", "checkpoint-worker.ts"));
    const berth = await startBerth({ program: join(copy, "src", "cli", "main.ts") });
    expect(await berth.process.stop()).toBe(0);
    expect(berth.process.output()).toContain("the log of the metadata cannot be shortened");
    await berth.stop();
  });

  test("serve finishes an upload that is under way when it is told to stop", async () => {
    const data = join(folder, "stopping");
    const berth = await startBerth({ data });
    const started = await fetch(`${berth.url}/v2/a/blobs/uploads/`, { method: "POST" });
    const port = Number(berth.host.split(":")[1]);
    const socket = connect(port, "127.0.0.1");
    const answered = text(socket);
    const location = started.headers.get("location");
    socket.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nab`);
    await waitUntil(async () => (await readdir(join(data, "uploads"))).length > 0);
    const stopped = berth.process.stop();
    await waitUntil(
      async () =>
        !(await fetch(`${berth.url}/healthz`).then(
          (response) => response.ok,
          () => false,
        )),
    );
    socket.write("cd");
    const answer = await answered;
    expect(answer).toStartWith("HTTP/1.1 202");
    expect(answer).toContain("0-3");
    expect(await stopped).toBe(0);
    await berth.stop();
  });
});

describe.skipIf(!isAvailable("openssl"))("berth serve with TLS", () => {
  test("serve takes a new certificate when the files change, and refuses a key of another", async () => {
    const [first, second] = [await makeCertificate(folder, "first"), await makeCertificate(folder, "second")];
    const files = { certificate: join(folder, "live.pem"), key: join(folder, "live.key") };
    await copyFile(first.certificate, files.certificate);
    await copyFile(first.key, files.key);
    const wrong = await serve(...tlsFlags({ ...first, key: second.key }), "--data", join(folder, "b"));
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toContain("does not belong to the certificate");
    const berth = await startBerth({ args: tlsFlags(files) });
    try {
      expect(await subjectOf(berth.host)).toContain("first");
      const upload = await beginUpload(berth.host);
      await copyFile(second.certificate, files.certificate);
      await copyFile(second.key, files.key);
      await berth.process.waitForOutput(/took the new certificate/);
      await waitUntil(async () => (await subjectOf(berth.host)).includes("second"));
      // A transfer that began before is waited for.
      const stopped = berth.process.stop();
      expect(await upload.finish()).toStartWith("HTTP/1.1 202");
      expect(await stopped).toBe(0);
    } finally {
      await berth.stop();
    }
  }, 30_000);
});

function tlsFlags(files: { readonly certificate: string; readonly key: string }): string[] {
  return ["--listen", "127.0.0.1:0", "--tls-certificate", files.certificate, "--tls-key", files.key];
}

async function subjectOf(host: string): Promise<string> {
  const { stdout } = await attempt(programPath("openssl"), ["s_client", "-connect", host]);
  return /subject=.*/.exec(stdout)?.[0] ?? "";
}

/** Begins to send the four bytes of an upload. */
async function beginUpload(host: string): Promise<{ finish(): Promise<string> }> {
  const tls = { rejectUnauthorized: false };
  const begun = await fetch(`https://${host}/v2/a/blobs/uploads/`, { method: "POST", tls });
  const place = begun.headers.get("location") ?? "";
  const [hostname = "", port] = host.split(":");
  const socket = connectTls({ host: hostname, port: Number(port), ...tls });
  await once(socket, "secureConnect");
  const answered = text(socket);
  const head = `PATCH ${place} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\n`;
  socket.write(`${head}ab`);
  const other = { method: "PATCH", body: "x", headers: { "content-range": "9-9" }, tls };
  await waitUntil(async () =>
    /another request/.test(await (await fetch(`https://${host}${place}`, other)).text()),
  );
  return {
    finish() {
      socket.write("cd");
      return answered;
    },
  };
}

async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await Bun.sleep(20);
}
