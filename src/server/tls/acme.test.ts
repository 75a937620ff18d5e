import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { accountOf, readKept, renewByAcme } from "./acme.ts";
import { issueCertificate, makeAuthority, makeServerKey } from "./authority.ts";
import { makeFolder } from "./files.ts";
import { tlsNames } from "./names.ts";
import { type AcmeSettings, acmeTls } from "./settings.ts";

/** Nobody answers there. */
const acme: AcmeSettings = {
  ...{ domains: ["registry.berth.test"], directory: "https://127.0.0.1:1/dir", "agree-to-terms": true },
  listen: "127.0.0.1:0",
};
let folder: string;
const files = () => acmeTls(join(folder, "acme"), acme);
const pathOf = (name: string) => join(dirname(files().certificate), name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "berth-acme-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Writes what an order leaves. */
async function keepCertificate(): Promise<void> {
  const [names, now, key, account] = [
    tlsNames(acme.domains),
    new Date(),
    await makeServerKey(),
    await makeServerKey(),
  ];
  await makeFolder(dirname(files().certificate));
  const certificate = await issueCertificate(await makeAuthority(names, now), key, names, now);
  const origin = JSON.stringify({ directory: acme.directory, account: accountOf(account) });
  for (const [name, text] of [
    ["server.pem", certificate],
    ["server.key", key],
    ["account.key", account],
    ["origin.json", origin],
  ] as const)
    await writeFile(pathOf(name), text);
}

describe("readKept", () => {
  test.each(["", "{", "[]", '{"directory":1}'])(
    "readKept takes a certificate for unknown when where it is from is damaged to %j",
    async (damaged) => {
      await keepCertificate();
      expect((await readKept(files(), acme))?.names.dns).toEqual(acme.domains);
      await writeFile(pathOf("origin.json"), damaged);
      expect(await readKept(files(), acme)).toBeUndefined();
    },
  );
});

describe("renewByAcme", () => {
  test("renewByAcme names the ACME server when it cannot be reached", async () => {
    await expect(renewByAcme(files(), acme)).rejects.toThrow(
      /^tls\.acme\.directory is "https:\/\/127\.0\.0\.1:1\/dir", which cannot be used: /,
    );
  });

  test.each(["account.key", "server.key"])("renewByAcme leaves %s alone that is no key", async (name) => {
    await keepCertificate();
    await writeFile(pathOf(name), "mine");
    await expect(renewByAcme(files(), acme)).rejects.toMatchObject({
      code: "CONFLICT",
      message: `tls.acme: "${pathOf(name)}" is no private key: bring the right one back, or remove it, and another is made`,
    });
    expect(await Bun.file(pathOf(name)).text()).toBe("mine");
  });
});
