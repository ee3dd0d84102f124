/**
 * Names that users choose. RFC 1123 label: 1 to 63 characters, lower-case letters, digits and `-`,
 * not starting or ending with `-`. Nothing else ever becomes part of a key, a path or a command
 * line.
 */
import { invalidField } from "./errors.js";

const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const LABEL_KEY =
  /^([a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;
export const LABELS_MAX = 64;

export function isName(value: string): boolean {
  return NAME.test(value);
}

export function isUuid(value: string): boolean {
  return UUID.test(value);
}

/** @throws `invalid` naming the field when the value is not an RFC 1123 label. */
export function parseName(field: string, value: string): string {
  if (!isName(value)) {
    throw invalidField(field, value, "1 to 63 of a-z, 0-9 and '-', not first or last '-'");
  }
  return value;
}

/** @throws `invalid` when the value is not a lower-case UUID. */
export function parseUuid(field: string, value: string): string {
  if (!isUuid(value)) throw invalidField(field, value, "a lower-case UUID");
  return value;
}

/**
 * @throws `invalid` for the first label whose key or value is malformed, or when there are too
 * many.
 */
export function parseLabels(field: string, labels: Readonly<Record<string, string>>): Labels {
  const entries = Object.entries(labels);
  if (entries.length > LABELS_MAX) {
    throw invalidField(field, `${entries.length} labels`, `at most ${LABELS_MAX} labels`);
  }
  for (const [key, value] of entries) {
    if (!LABEL_KEY.test(key)) {
      throw invalidField(`${field} key`, key, "[prefix/]name of letters, digits, '-', '_', '.'");
    }
    if (!LABEL_VALUE.test(value)) {
      throw invalidField(`${field}[${key}]`, value, "up to 63 letters, digits, '-', '_', '.'");
    }
  }
  return Object.fromEntries(entries);
}

export type Labels = Readonly<Record<string, string>>;
