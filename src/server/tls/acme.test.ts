import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renewByAcme } from "./acme.ts";
import { acmeTls } from "./settings.ts";

test("renewByAcme names the ACME server when it cannot be reached", async () => {
  const folder = await mkdtemp(join(tmpdir(), "berth-acme-"));
  const acme = {
    domains: ["registry.berth.test"],
    directory: "https://127.0.0.1:1/dir",
    "agree-to-terms": true,
    listen: "127.0.0.1:0",
  } as const;
  try {
    const settings = { ...acme, domains: [...acme.domains] };
    await expect(renewByAcme(acmeTls(folder, settings), settings)).rejects.toThrow(
      /^tls\.acme\.directory is "https:\/\/127\.0\.0\.1:1\/dir", which cannot be used: /,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
