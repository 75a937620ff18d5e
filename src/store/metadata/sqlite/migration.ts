import type { Database } from "bun:sqlite";

/** What makes a version of the schema of the one before it: statements, and columns that are added before where they are missing. */
export type Migration =
  | string
  | {
      readonly missingColumns: readonly {
        readonly table: string;
        readonly column: string;
        readonly type: string;
      }[];
      readonly sql: string;
    };

/** To be called in a transaction. */
export function applyMigration(db: Database, migration: Migration): void {
  if (typeof migration === "string") return void db.run(migration);
  for (const { table, column, type } of migration.missingColumns) {
    const found = db.query("SELECT 1 FROM pragma_table_info(?) WHERE name = ?").get(table, column);
    if (!found) db.run(`ALTER TABLE ${table} ADD COLUMN ${column} ${type}`);
  }
  db.run(migration.sql);
}
