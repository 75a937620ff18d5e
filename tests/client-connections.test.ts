import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Client, createClient } from "../src/client/client.ts";
import type { TransportOptions } from "../src/client/transport.ts";
import { createTransport } from "../src/client/transport-node.ts";
import { isRegistryError, type RegistryError } from "../src/oci/errors.ts";
import { errorOf } from "../src/registry/contract/fixtures.ts";
import { type CertificateFiles, makeCertificate } from "./fixtures/certificates.ts";
import { useOddRegistries } from "./fixtures/odd-registries.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { serveTunnels } from "./fixtures/proxies.ts";
import type { Reply, SeenRequest } from "./fixtures/reply-servers.ts";
import { isAvailable } from "./programs.ts";

let folder: string;
let local: CertificateFiles;
let named: CertificateFiles;
const hasOpenssl = isAvailable("openssl");

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  if (!hasOpenssl) return;
  local = await makeCertificate(folder, "local", { names: "IP:127.0.0.1,DNS:localhost" });
  named = await makeCertificate(folder, "named", { names: "DNS:registry.test" });
});
afterAll(() => rm(folder, { recursive: true }));

const { serve: serveAny, keep } = useOddRegistries();

const serve = (tls?: CertificateFiles, answer: (request: SeenRequest) => Reply = () => ({})) =>
  serveAny(answer, { tls });
const serveProxy = async (...args: Parameters<typeof serveTunnels>) => keep(await serveTunnels(...args));

function clientOf(host: string, options: TransportOptions = {}, plainHttp = false): Client {
  const transport = createTransport({ proxies: false, ...options });
  keep({ stop: transport.close });
  return createClient(host, { transport, plainHttp, retries: { attempts: 1 } });
}

const unavailable = (client: Client): Promise<RegistryError> => errorOf(client.ping(), "UNAVAILABLE");

describe.skipIf(!hasOpenssl)("certificates", () => {
  test("ping refuses a certificate that nobody knows and says what to do", async () => {
    const { host } = await serve(local);
    const { message } = await unavailable(clientOf(host));
    expect(message).toStartWith(`cannot reach ${host}: the certificate of ${host} is not trusted (`);
    expect(message).toContain("give the file of the authority that signed it as an extra CA");
  });

  test("ping takes a certificate when a CA file has its authority, beside those that are known anyway", async () => {
    const { host } = await serve(local);
    await clientOf(host, { caFiles: [named.certificate, local.certificate] }).ping();
  });

  test("ping takes any certificate when it is told to", async () => {
    const { host } = await serve(named);
    await clientOf(host, { acceptAnyCertificate: true }).ping();
  });

  test("ping refuses a certificate that is made out to another name", async () => {
    const { host } = await serve(named);
    const { message } = await unavailable(clientOf(host, { caFiles: [named.certificate] }));
    expect(message).toContain("is not trusted");
    expect(message).toContain("a name that it is made out to");
  });

  test("createTransport names the CA file that it cannot use", async () => {
    const none = join(folder, "none.pem");
    await writeFile(join(folder, "empty.pem"), "no certificate\n");
    expect(() => createTransport({ caFiles: [none] })).toThrow(none);
    expect(() => createTransport({ caFiles: [join(folder, "empty.pem")] })).toThrow("has no certificate");
  });

  test("ping says so when the other end does not speak HTTPS", async () => {
    const { host } = await serve();
    const { message } = await unavailable(clientOf(host));
    expect(message).toContain(`${host} does not speak HTTPS`);
    expect(message).toContain("allow that for it");
  });

  test("ping says so when the other end speaks HTTPS alone", async () => {
    const { host } = await serve(local);
    const client = createClient(host, { plainHttp: true }); // which would send it six times if that helped
    const { message } = await unavailable(client);
    client.close();
    expect(message).toBe(`cannot reach ${host}: ${host} wants HTTPS, and plain HTTP was sent: use HTTPS`);
  });

  test.each([
    ["text/plain", "Client sent an HTTP request to an HTTPS server.\n"],
    ["text/html", "<html><h1>400</h1><center>The plain HTTP request was sent to HTTPS port</center></html>"],
  ])("ping says so when a %s answer tells that HTTPS is wanted", async (type, body) => {
    const { host } = await serve(undefined, () => ({ status: 400, headers: { "content-type": type }, body }));
    const error = await clientOf(host, {}, true)
      .ping()
      .catch((cause: unknown) => cause);
    expect(isRegistryError(error) && error.message).toContain("it wants HTTPS, and plain HTTP was sent");
  });
});

describe("what is no HTTP", () => {
  test("ping says so when something else answers", async () => {
    const server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data: (socket) => void socket.end("SSH-2.0-OpenSSH_9.2\r\n"),
      },
    });
    keep({ stop: () => server.stop(true) });
    const { message } = await unavailable(clientOf(`127.0.0.1:${server.port}`, {}, true));
    expect(message).toContain("does not answer in plain HTTP");
  });
});

describe("timeouts", () => {
  test("ping gives up when no answer comes, and says for how long it waited", async () => {
    const server = await serveAny(() => new Promise<Reply>(() => {}));
    const { message } = await unavailable(clientOf(server.host, { answerTimeoutMs: 50 }, true));
    expect(message).toContain(`${server.host} is too slow (no answer came for 0.05 s)`);
  });
});

describe.skipIf(!hasOpenssl)("proxies", () => {
  const host = "registry.test";

  test("ping goes through CONNECT of the proxy and shows the password to nobody else", async () => {
    const registry = await serve(named);
    const proxy = await serveProxy(registry);
    const https = `http://ada:p%40ss@${proxy.host}`;
    const client = clientOf(host, { proxies: { https }, caFiles: [named.certificate] });
    await client.ping();
    await client.ping();
    expect(proxy.seen.length).toBe(1);
    expect(proxy.seen[0]).toStartWith("CONNECT registry.test:443 HTTP/1.1\r\n");
    expect(proxy.seen[0]?.toLowerCase()).toContain(
      `proxy-authorization: basic ${Buffer.from("ada:p@ss").toString("base64")}`.toLowerCase(),
    );
    expect(registry.seen[0]?.headers["proxy-authorization"]).toBeUndefined();
    expect(registry.seen[0]?.headers.host).toBe(host);
  });

  test("ping goes through a proxy that is reached by TLS itself", async () => {
    const proxy = await serveProxy(await serve(named), { tls: local });
    const caFiles = [named.certificate, local.certificate];
    await clientOf(host, { proxies: { https: `https://${proxy.host}` }, caFiles }).ping();
    expect(proxy.seen.length).toBe(1);
  });

  test("ping checks the name of the certificate behind a proxy", async () => {
    const proxy = await serveProxy(await serve(local));
    const client = clientOf(host, {
      proxies: { https: `http://${proxy.host}` },
      caFiles: [local.certificate],
    });
    expect((await unavailable(client)).message).toContain("the certificate of registry.test is not trusted");
  });

  test("ping sends the whole address to a proxy when it speaks plain HTTP", async () => {
    const proxy = await serve();
    await clientOf(`${host}:5000`, { proxies: { http: proxy.host } }, true).ping();
    expect(proxy.seen[0]?.path).toBe("http://registry.test:5000/v2/");
    expect(proxy.seen[0]?.headers.host).toBe("registry.test:5000");
  });

  test("ping reaches this machine and exceptions directly", async () => {
    const registry = await serve(local);
    const proxies = { https: "http://127.0.0.1:1" };
    await clientOf(registry.host, { proxies, caFiles: [local.certificate] }).ping();
    const client = clientOf("no-such-host.invalid", { proxies: { ...proxies, except: ".invalid" } });
    expect((await unavailable(client)).message).toContain("can be found");
  });

  test.each([
    [407, "it wants another user name or password"],
    [403, "answered with status 403"],
  ])("ping tells that the proxy answered with status %d", async (status, expected) => {
    const proxy = await serveProxy({ host: "127.0.0.1:1" }, { status });
    const client = clientOf(host, { proxies: { https: `http://ada:secret@${proxy.host}` } });
    const { message } = await unavailable(client);
    expect(message).toContain(`the proxy ${proxy.host}`);
    expect(message).toContain(expected);
    expect(message).toContain("check HTTP_PROXY, HTTPS_PROXY and NO_PROXY");
    expect(message).not.toContain("secret");
  });

  test("ping tells that the proxy is not there", async () => {
    const proxy = await serve();
    await proxy.stop();
    const client = clientOf(host, { proxies: { https: `http://${proxy.host}` } });
    expect((await unavailable(client)).message).toContain(`the proxy ${proxy.host} cannot be reached`);
  });

  test("ping tells that the proxy's address is wrong, without its password", async () => {
    const client = clientOf(host, { proxies: { https: "socks5://ada:secret@proxy.test" } });
    const { message } = await errorOf(client.ping(), "UNSUPPORTED");
    expect(message).toContain('"socks5:"');
    expect(message).not.toContain("secret");
  });
});
