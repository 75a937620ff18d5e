import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fingerprintOf } from "../../server/tls/certificates.ts";
import { setUpLocalTls } from "../../server/tls/local-authority.ts";
import { parseTlsNames } from "../../server/tls/names.ts";
import { fetchAuthority, readAuthority } from "./authority.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "berth-authority-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function makeAuthority(name: string): Promise<string> {
  await setUpLocalTls(join(folder, name), parseTlsNames(["localhost"]));
  return readFile(join(folder, name, "authority.pem"), "utf8");
}

test("an authority that stands behind the one whose fingerprint is compared is not taken", async () => {
  const [genuine, other] = [await makeAuthority("genuine"), await makeAuthority("other")];
  const both = join(folder, "both.pem");
  await writeFile(both, genuine + other);
  const pem = (name: string) => Bun.file(join(folder, "other", name));
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: pem("server.pem"), key: pem("server.key") },
    fetch: () => new Response(genuine + other),
  });
  try {
    const peer = { host: "localhost", address: "127.0.0.1", port: server.port ?? 0 };
    const fetched = await fetchAuthority(peer, `localhost:${server.port}`);
    for (const taken of [await readAuthority(both), fetched]) {
      expect(fingerprintOf(taken)).toBe(fingerprintOf(genuine));
      expect(taken.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
    }
  } finally {
    await server.stop(true);
  }
});
