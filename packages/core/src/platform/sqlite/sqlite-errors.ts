/** SQLite's error codes as `DomainError`s: the one table. */
import { DomainError, unavailable } from "../../domain/errors.js";

/** @param what which database, for the message, e.g. `store` */
export function sqliteError(what: string, thrown: unknown): unknown {
  const code = sqliteCodeOf(thrown);
  if (code === undefined) return thrown;
  if (code === "SQLITE_CORRUPT" || code === "SQLITE_NOTADB") return databaseCorrupt(what, thrown);
  if (code === "SQLITE_FULL") return unavailable(what, "the disk is full", thrown);
  if (code.startsWith("SQLITE_CONSTRAINT")) return thrown;
  return unavailable(what, `${code}: ${messageOf(thrown)}`, thrown);
}

/** The database failed while it made a commit durable: it may be there after a restart, or not. */
export function outcomeUnknown(what: string, thrown: unknown): DomainError {
  return new DomainError(
    {
      kind: "timeout",
      reason: "OUTCOME_UNKNOWN",
      message: `${what}: the disk failed in a commit, its outcome is unknown: ${messageOf(thrown)}`,
      metadata: { what },
    },
    { cause: thrown },
  );
}

export function databaseCorrupt(what: string, thrown: unknown): DomainError {
  return new DomainError(
    {
      kind: "corrupt",
      reason: "DATABASE_CORRUPT",
      message: `the database of the ${what} is damaged: ${messageOf(thrown)}`,
      metadata: { what },
    },
    { cause: thrown },
  );
}

/** E.g. `SQLITE_FULL`; undefined for anything that SQLite did not say. */
export function sqliteCodeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  const { code } = thrown;
  return typeof code === "string" && code.startsWith("SQLITE_") ? code : undefined;
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
