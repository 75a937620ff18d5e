import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { keepAcmeCertificate } from "../../../tests/fixtures/certificates.ts";
import { readKept, renewByAcme } from "./acme.ts";
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

describe("readKept", () => {
  test.each(["", "{", "[]", '{"directory":1}'])(
    "readKept takes a certificate for unknown when where it is from is damaged to %j",
    async (damaged) => {
      await keepAcmeCertificate(files(), acme, new Date());
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
    await keepAcmeCertificate(files(), acme, new Date());
    await writeFile(pathOf(name), "mine");
    await expect(renewByAcme(files(), acme)).rejects.toMatchObject({
      code: "CONFLICT",
      message: `tls.acme: "${pathOf(name)}" is no private key: bring the right one back, or remove it, and another is made`,
    });
    expect(await Bun.file(pathOf(name)).text()).toBe("mine");
  });
});
