import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { loadSettings } from "../settings/settings.ts";
import { issueCertificate, makeAuthority, makeServerKey } from "../tls/authority.ts";
import { tlsNames } from "../tls/names.ts";
import { listen } from "./listen.ts";

async function fingerprintShownBy(address: string): Promise<string> {
  const port = Number(new URL(address).port);
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }); // only looked at
  await once(socket, "secureConnect");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.end("GET / HTTP/1.1\r\nHost: registry.local\r\nConnection: close\r\n\r\n");
  await once(socket.resume(), "close");
  return fingerprint256;
}

test("listen takes a new certificate that is not valid yet when its time has come", async () => {
  const folder = await mkdtemp(join(tmpdir(), "berth-listen-"));
  const [certificate, key] = [join(folder, "server.pem"), join(folder, "server.key")];
  const names = tlsNames(["registry.local"]);
  const [authority, serverKey] = [await makeAuthority(names, new Date()), await makeServerKey()];
  const write = async (madeAt: Date): Promise<X509Certificate> => {
    const text = await issueCertificate(authority, serverKey, names, madeAt);
    await writeFile(certificate, text);
    return new X509Certificate(text);
  };
  await writeFile(key, serverKey);
  const first = await write(new Date());
  const settings = loadSettings(
    { listen: "127.0.0.1:0", "tls.certificate": certificate, "tls.key": key },
    {},
  );
  const [errors, refused] = [[] as string[], Promise.withResolvers<void>()];
  const log = {
    ...{ info() {}, warn() {}, readsToo: false },
    error(_: object, message: string) {
      errors.push(message);
      refused.resolve();
    },
  };
  const listener = listen({ settings, log, shared: false, handle: async () => new Response() }, 20);
  try {
    const validFromMs = Date.now() + 2000;
    const next = await write(new Date(validFromMs + 3_600_000)); // it is made out to have been valid for an hour
    await refused.promise;
    expect(await fingerprintShownBy(listener.address)).toBe(first.fingerprint256);
    let shown = first.fingerprint256;
    while (shown !== next.fingerprint256) {
      if (Date.now() > validFromMs + 5000) throw new Error("the new certificate is not taken");
      shown = await fingerprintShownBy(listener.address);
    }
    expect(errors).toEqual(["the new certificate cannot be used, the old one stays"]);
  } finally {
    await listener.stop(0);
    await rm(folder, { recursive: true });
  }
});
