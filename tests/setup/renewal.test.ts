import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes, X509Certificate } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { Agent, type RequestOptions, request } from "node:https";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { issueCertificate } from "../../src/server/tls/authority.ts";
import { setUpLocalTls } from "../../src/server/tls/local-authority.ts";
import { namesOfThisMachine, parseTlsNames } from "../../src/server/tls/names.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { sha256 } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";

setDefaultTimeout(30_000);

const dayMs = 86_400_000;
const repository = "team/app";

describe("a server whose certificate is renewed", () => {
  let folder: string;
  let berth: RunningRegistry;
  let ca: string;
  const agent = (): Agent => new Agent({ ca });
  const read = (name: string): Promise<string> => readFile(join(folder, name), "utf8");

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    await setUpLocalTls(folder, parseTlsNames(["registry.local"]));
    ca = await read("authority.pem");
    berth = await startBerth({ args: ["--tls-folder", folder, "--open=push"] });
  });
  afterAll(async () => {
    await berth?.stop();
    await rm(folder, { recursive: true });
  });

  /** Sends a request, of which the caller ends the body and reads the answer. */
  function send(path: string, options: RequestOptions) {
    const sent = request(new URL(path, berth.url), options);
    const answered = new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
      sent.once("response", resolve);
      sent.once("error", reject);
    });
    return { sent, answered };
  }

  /** Asks over a connection of its own. Resolves to the certificate that it was shown. */
  async function ask(): Promise<X509Certificate> {
    const through = agent();
    const { sent, answered } = send("/v2/", { agent: through });
    sent.end();
    const answer = await answered;
    // Safe: the agent speaks TLS, as its class says.
    const certificate = (answer.socket as TLSSocket).getPeerCertificate(true).raw;
    await answer.toArray();
    through.destroy();
    expect(answer.statusCode).toBe(200);
    return new X509Certificate(certificate);
  }

  test("goes on with the connections and the transfers that it has, and shows the new one to new connections", async () => {
    const content = randomBytes(16 * 1024 * 1024);
    const digest = sha256(content);
    const upload = async (): Promise<string> => {
      const begun = await fetch(`${berth.url}/v2/${repository}/blobs/uploads/`, {
        method: "POST",
        tls: { ca },
      });
      return `${begun.headers.get("location")}?digest=`;
    };
    const first = send(`${await upload()}${digest}`, { method: "PUT", agent: agent() });
    first.sent.end(content);
    expect((await first.answered).statusCode).toBe(201);

    const download = send(`/v2/${repository}/blobs/${digest}`, { agent: agent() });
    download.sent.end();
    const coming = await download.answered;
    coming.pause();
    const other = Buffer.from(content.map((byte) => byte ^ 1));
    const going = send(`${await upload()}${sha256(other)}`, {
      method: "PUT",
      agent: agent(),
      headers: { "content-length": other.length },
    });
    going.sent.write(other.subarray(0, other.length / 2));

    const authority = { certificate: ca, key: await read("authority.key") };
    const names = namesOfThisMachine();
    const old = await issueCertificate(
      authority,
      await read("server.key"),
      names,
      new Date(Date.now() - 80 * dayMs),
    );
    const known = [await read("server.pem"), old].map((one) => new X509Certificate(one).fingerprint256);
    await writeFile(join(folder, "server.pem"), old);
    let renewed = await ask();
    while (known.includes(renewed.fingerprint256)) renewed = await ask();
    expect(renewed.checkHost("registry.local")).toBe("registry.local");
    // Once for the old one, which was put there, and once for what the server made of it.
    await berth.process.waitForOutput(/took the new certificate[\s\S]*took the new certificate/);
    expect((await ask()).fingerprint256).toBe(renewed.fingerprint256);

    going.sent.end(other.subarray(other.length / 2));
    expect((await going.answered).statusCode).toBe(201);
    expect(sha256(Buffer.concat(await coming.toArray()))).toBe(digest);
  });
});
