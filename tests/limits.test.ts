import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BerthWithAccounts, basic, passwordOf, startBerthWithAccounts } from "./fixtures/accounts.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { PushRefused, pushBlob, pushImage } from "./fixtures/pushes.ts";

setDefaultTimeout(120_000);

let berth: BerthWithAccounts;
let folder: string;
let passwordFile: string;
const hash = (password: string) => Bun.password.hash(password, { algorithm: "bcrypt", cost: 4 });

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  passwordFile = join(folder, "htpasswd");
  await writeFile(passwordFile, `fay:${await hash("fay's password")}\n`);
  await writeFile(
    join(folder, "berth.yaml"),
    `access: { htpasswd: ${passwordFile} }
quotas:
  - { repositories: ["small/**"], bytes: 10KiB }
limits:
  - { who: [slow], pulls-per-minute: 2, pushes-per-minute: 1, open-uploads: 2 }
`,
  );
  berth = await startBerthWithAccounts({ args: ["--config", join(folder, "berth.yaml")] });
});
afterAll(async () => {
  await berth?.stop();
  await rm(folder, { recursive: true });
});

const ask = (path: string, authorization: string, init: RequestInit = {}) =>
  fetch(`${berth.url}/v2/${path}`, { ...init, headers: { authorization } });

describe("quotas", () => {
  test("a push over the quota is denied with what is used, the limit and what would free space", async () => {
    await pushImage(berth.url, "small/app", "1", [9000], berth.admin);
    const over = await pushBlob(berth.url, "small/other", new Uint8Array(5000), berth.admin).catch(
      (error) => error,
    );
    expect(over).toBeInstanceOf(PushRefused);
    expect(over.status).toBe(403);
    expect(over.message).toMatch(
      /the quota of small\/\*\* is used up: 9\.\d KiB of 10 KiB, and this would add 4\.9 KiB/,
    );
    expect(over.message).toContain("the most is in small/app");
    await pushBlob(berth.url, "large/app", new Uint8Array(5000), berth.admin);
  });
});

describe("request limits", () => {
  test("pulls, pushes and open uploads of one account are limited, with Retry-After", async () => {
    const slow = await berth.addPerson("slow", "maintainer", "**");
    await pushImage(berth.url, "large/app", "1", [10], berth.admin);
    const pulls = [];
    for (let count = 0; count < 3; count++) pulls.push(await ask("large/app/manifests/1", slow));
    expect(pulls.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(Number(pulls[2]?.headers.get("retry-after"))).toBeGreaterThan(20);
    const start = () => ask("large/app/blobs/uploads/", slow, { method: "POST" });
    const [first] = [await start(), await start()];
    expect((await start()).status).toBe(429);
    await fetch(new URL(first?.headers.get("location") ?? "", berth.url), {
      method: "DELETE",
      headers: { authorization: slow },
    });
    expect((await start()).status).toBe(202);
    expect((await ask("large/app/manifests/1", berth.admin)).status).toBe(200);
    await berth.grant("slow", "reader", "recorded/*"); // is recorded behind what was noted
    const { entries } = (await berth.manage("GET", "/audit?actor=slow&outcome=refused")) as {
      entries: { action: string; repository?: string; detail?: string }[];
    };
    expect(entries.map(({ action, repository }) => `${action} ${repository}`).sort()).toEqual([
      "pull large/app",
      "push large/app",
    ]);
    for (const { detail } of entries) expect(detail).toMatch(/the limit here is 2 pulls|2 uploads are open/);
  });
});

describe("a file of passwords", () => {
  test("its accounts log in, have what its group has, and follow its changes", async () => {
    const fay = basic("fay", "fay's password");
    await berth.grant("group:htpasswd", "reader", "large/**");
    expect((await ask("large/app/manifests/1", fay)).status).toBe(200);
    await writeFile(passwordFile, `gus:${await hash("gus's password")}\n`);
    const gus = basic("gus", "gus's password");
    while ((await ask("", gus)).status !== 200) await Bun.sleep(100); // the file is looked at once a second
    expect((await ask("", fay)).status).toBe(401);
  });
});

describe("guessing", () => {
  test("five thousand wrong passwords cost little, and who has the right one gets in", async () => {
    const secret = await berth.addRobot("busy", "reader", "large/**");
    await berth.addPerson("victim");
    const statuses = new Map<number, number>();
    const guess = async (at: number) => {
      const { status, headers } = await ask("", basic("victim", `guess ${at}`));
      if (status === 429) expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    };
    const attack = (async () => {
      for (let at = 0; at < 5000; at += 100)
        await Promise.all(Array.from({ length: 100 }, (_, one) => guess(at + one)));
    })();
    // Tokens and what was right before are not held up.
    for (let count = 0; count < 20; count++) {
      expect((await ask("", `Bearer ${secret}`)).status).toBe(200);
      expect((await ask("", berth.admin)).status).toBe(200);
    }
    await attack;
    expect(statuses.get(429)).toBeGreaterThan(4900);
    expect(statuses.get(200)).toBeUndefined();
    // The owner gets in when the wait that is told is over.
    for (;;) {
      const answer = await ask("", basic("victim", passwordOf("victim")));
      if (answer.status === 200) break;
      expect(answer.status).toBe(429);
      await Bun.sleep(Number(answer.headers.get("retry-after")) * 1000);
    }
  });
});
