import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bindings, openDatabase, type SqliteDatabase } from "../database.ts";
import { createRepositoryRows } from "../repositories.ts";
import { createChangeRows } from "./changes.ts";
import { createTagHistory } from "./history.ts";
import { createRetentionMetadata } from "./retention.ts";
import { createTagRows } from "./rows.ts";

let folder: string;
let database: SqliteDatabase;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "berth-"));
  database = openDatabase(join(folder, "metadata.db"));
});
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

/** What `make` prepares, besides statements that only insert. */
function statementsOf(make: (database: SqliteDatabase) => unknown): string[] {
  const statements: string[] = [];
  make({
    ...database,
    prepare<Row, Parameters extends Bindings>(sql: string) {
      if (!sql.startsWith("INSERT")) statements.push(sql);
      return database.prepare<Row, Parameters>(sql);
    },
  });
  return statements;
}

interface Step {
  readonly id: number;
  readonly parent: number;
  readonly detail: string;
}

/** Steps of a statement that read all that a repository has; of those, what is read again for each row. */
function wholeReads(sql: string) {
  const steps = database.prepare<Step, []>(`EXPLAIN QUERY PLAN ${sql}`).all();
  const isRepeated = ({ parent }: Step): boolean => {
    const above = steps.find(({ id }) => id === parent);
    return above !== undefined && (above.detail.startsWith("CORRELATED") || isRepeated(above));
  };
  const whole = steps.filter(({ detail }) => /^SCAN (?!past)|\(repository_id=\?\)/.test(detail));
  return {
    whole: whole.map(({ detail }) => detail),
    repeated: whole.filter(isRepeated).map((it) => it.detail),
  };
}

describe("statements about tags", () => {
  test("those of a push, a delete and a tag's past read no more of a repository than they need", () => {
    const changes = createChangeRows(database);
    const repositories = createRepositoryRows(database);
    const statements = [
      ...statementsOf(createTagRows),
      ...statementsOf((each) => createTagHistory(each, repositories, changes)),
    ];
    expect(statements.length).toBeGreaterThan(8);
    for (const sql of statements) expect({ sql, whole: wholeReads(sql).whole }).toEqual({ sql, whole: [] });
  });

  test("those of retention read all of a repository, but none of it once for each row", () => {
    const statements = statementsOf((each) => createRetentionMetadata(each, createRepositoryRows(database)));
    expect(statements.flatMap((sql) => wholeReads(sql).whole).length).toBeGreaterThan(3);
    for (const sql of statements) {
      expect({ sql, repeated: wholeReads(sql).repeated }).toEqual({ sql, repeated: [] });
    }
  });
});
