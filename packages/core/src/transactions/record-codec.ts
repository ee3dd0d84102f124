/**
 * Records as stored text: JSON with the version of its shape, so that a later release can tell old
 * from new.
 */
import { DomainError } from "../domain/errors.js";
import type { RecordValue } from "../ports/state-store.js";

/** Bumped when a stored shape changes in a way that needs a migration. */
export const RECORD_SCHEMA_VERSION = 1;

const PREFIX = `{"schema_version":${RECORD_SCHEMA_VERSION},"value":`;

export function encodeRecord(value: RecordValue): string {
  return `${PREFIX}${JSON.stringify(value)}}`;
}

/**
 * @param where what to name in the error: the record's key
 * @throws `corrupt` when the text is not a record of this version.
 */
export function decodeRecord(where: string, text: string): RecordValue {
  return decodeStored(where, parseStored(where, text));
}

/** The same for JSON that is parsed already. @throws `corrupt`. */
export function decodeStored(where: string, stored: unknown): RecordValue {
  if (typeof stored !== "object" || stored === null || !("schema_version" in stored)) {
    throw corruptRecord(where, "it is not a stored record");
  }
  if (stored.schema_version !== RECORD_SCHEMA_VERSION) {
    throw corruptRecord(where, `schema version ${String(stored.schema_version)} is not known`);
  }
  const value = "value" in stored ? stored.value : undefined;
  if (typeof value !== "object" || value === null) {
    throw corruptRecord(where, "it has no value");
  }
  return value as RecordValue;
}

/** @throws `corrupt` when the text is not JSON. */
export function parseStored(where: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw corruptRecord(where, "it is not JSON", error);
  }
}

/** Something stored does not parse: a human must look. */
export function corruptRecord(where: string, why: string, cause?: unknown): DomainError {
  return new DomainError(
    {
      kind: "corrupt",
      reason: "RECORD_CORRUPT",
      message: `stored record ${where} is corrupt: ${why}`,
      metadata: { key: where, why },
    },
    { cause },
  );
}
