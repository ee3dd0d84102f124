/**
 * The few calls that are made to SQLite. An interface, so that tests can stand between and let the
 * disk fail.
 */
import Database from "libsql";

export type SqlValue = string | number | null;
export type SqlRow = readonly SqlValue[];

export interface SqlStatement {
  run(...values: readonly SqlValue[]): void;
  /** The rows, each as an array of its columns. */
  rows(...values: readonly SqlValue[]): readonly SqlRow[];
}

export interface SqlConnection {
  readonly inTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): SqlStatement;
  close(): void;
}

export function connectSqlite(path: string): SqlConnection {
  const database = new Database(path);
  return {
    get inTransaction() {
      return database.inTransaction;
    },
    exec: (sql) => {
      database.exec(sql);
    },
    prepare: (sql) => {
      const statement = database.prepare(sql);
      let isRaw = false;
      return {
        run: (...values) => {
          statement.run(values);
        },
        rows: (...values) => {
          if (!isRaw) statement.raw(true);
          isRaw = true;
          return statement.all(values) as SqlRow[];
        },
      };
    },
    close: () => {
      database.close();
    },
  };
}
