import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditEntry } from "../store/metadata/audit.ts";
import type { Metadata } from "../store/metadata/metadata.ts";
import { openSqliteMetadata } from "../store/metadata/sqlite/sqlite.ts";
import { createAuditLog } from "./audit.ts";
import { verifyChain } from "./audit-chain.ts";

let folder: string;
let metadata: Metadata;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-audit-"));
  metadata = openSqliteMetadata(join(folder, "metadata.db"));
});
afterEach(async () => {
  await metadata.close();
  rmSync(folder, { recursive: true });
});

const fail = (error: unknown) => {
  throw error;
};
const entry = (at: number, change: Partial<AuditEntry> = {}): AuditEntry => ({
  at,
  actor: "alice",
  credential: "password",
  address: "10.0.0.1",
  action: "push",
  outcome: "done",
  repository: "gallery/app",
  subject: "1.0",
  digest: "sha256:1234",
  ...change,
});

async function fill(count: number): Promise<void> {
  const log = createAuditLog(metadata.audit, fail);
  for (let at = 1; at <= count; at++) log.note(entry(at, at % 2 ? { actor: "bob", outcome: "refused" } : {}));
  await log.flush();
}

describe("createAuditLog", () => {
  test("record is durable and in order when several processes write", async () => {
    const other = openSqliteMetadata(join(folder, "metadata.db"));
    const logs = [createAuditLog(metadata.audit, fail), createAuditLog(other.audit, fail)];
    await Promise.all(
      Array.from({ length: 200 }, (_, at) => logs[at % 2]?.record(entry(at, { subject: `${at}` }))),
    );
    await other.close();
    expect(await verifyChain(metadata.audit)).toMatchObject({ whole: true, entries: 200 });
    const even = (await metadata.audit.list({}, undefined, 500)).flatMap(({ subject }) =>
      Number(subject) % 2 === 0 ? [Number(subject)] : [],
    );
    expect(even).toEqual([...even].sort((a, b) => b - a));
  });

  test("note counts refusals of one caller when they are many, and says how many", async () => {
    const log = createAuditLog(metadata.audit, fail);
    for (let at = 0; at < 500; at++)
      log.note(entry(at, { outcome: "refused", actor: "mallory", detail: "no" }));
    log.note(entry(1, { outcome: "refused", actor: "bob" }));
    for (let at = 0; at < 100; at++) log.note(entry(at, { actor: "mallory" }));
    await log.flush();
    const count = async (filter: object) => (await metadata.audit.list(filter, undefined, 1000)).length;
    expect(await count({ actor: "mallory", outcome: "refused" })).toBe(61);
    expect(await count({ actor: "mallory", outcome: "done" })).toBe(100);
    expect(await count({ actor: "bob" })).toBe(1);
    const [newest] = await metadata.audit.list({ actor: "mallory", outcome: "refused" }, undefined, 1);
    expect(newest?.detail).toBe("440 more were refused within a minute, the last: no");
    await log.flush();
    expect(await count({ outcome: "refused" })).toBe(62);
  });

  test("list gives what fits, newest first, page by page", async () => {
    await fill(20);
    const bobs = await metadata.audit.list({ actor: "bob", since: 5 }, undefined, 3);
    expect(bobs.map(({ at }) => at)).toEqual([19, 17, 15]);
    const next = await metadata.audit.list({ actor: "bob", since: 5 }, bobs.at(-1)?.id, 10);
    expect(next.map(({ at }) => at)).toEqual([13, 11, 9, 7, 5]);
    expect(await metadata.audit.list({ repository: "gallery/other" }, undefined, 10)).toEqual([]);
    expect(await metadata.audit.list({ outcome: "done", until: 4 }, undefined, 10)).toHaveLength(1);
  });
});

describe("verifyChain", () => {
  const tamper = (sql: string) => {
    const db = new Database(join(folder, "metadata.db"));
    db.run(sql);
    db.close();
  };

  test.each([
    ["UPDATE audit SET actor = 'mallory' WHERE id = 7", 7],
    ["UPDATE audit SET hash = 'x' WHERE id = 7", 7],
    ["DELETE FROM audit WHERE id = 7", 8],
    ["DELETE FROM audit WHERE id = 1", 2],
    ["UPDATE audit SET detail = '' WHERE id = 20", 20],
  ])("verifyChain finds that somebody did %s", async (sql, brokenAt) => {
    await fill(20);
    tamper(sql);
    expect(await verifyChain(metadata.audit)).toMatchObject({ whole: false, brokenAt });
  });

  test("verifyChain goes on from what was removed for its age", async () => {
    await fill(20);
    expect(await metadata.audit.removeBefore(11)).toBe(10);
    expect(await verifyChain(metadata.audit)).toMatchObject({ whole: true, entries: 10 });
    expect(await metadata.audit.removeBefore(100)).toBe(10);
    await fill(3);
    expect(await verifyChain(metadata.audit)).toMatchObject({ whole: true, entries: 3 });
    tamper("DELETE FROM audit WHERE id = 21");
    expect(await verifyChain(metadata.audit)).toMatchObject({ whole: false, brokenAt: 22 });
  });
});
