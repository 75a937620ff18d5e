import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openJournal } from "./journal.ts";

describe("openJournal", () => {
  test("flush serves all who wait meanwhile with one more fsync", async () => {
    const folder = mkdtempSync(join(tmpdir(), "berth-journal-"));
    try {
      writeFileSync(join(folder, "wal"), "");
      const journal = openJournal(join(folder, "wal"));
      const first = journal.flush();
      const second = journal.flush();
      const third = journal.flush();
      expect(second).toBe(third);
      expect(second).not.toBe(first);
      await Promise.all([first, second, third]);
      await journal.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("flush fails for ever when an fsync failed", async () => {
    const journal = openJournal("/dev/null"); // fsync of a device without a disk is refused
    expect(journal.flush()).rejects.toThrow();
    await journal.flush().catch(() => {});
    expect(journal.flush()).rejects.toThrow();
    expect(journal.failure).toBeInstanceOf(Error);
    await journal.close();
  });
});
