/**
 * Numbers, durations and texts from outside. Every refusal names field, value and what is allowed.
 */
import type { Duration } from "@innkeeper/proto/google/protobuf/duration";
import { invalidField } from "../domain/errors.js";

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** @throws `invalid` when the value is not an integer in the range. */
export function parseInteger(field: string, value: number, { min, max }: Range): number {
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw invalidField(field, value, `an integer from ${min} to ${max}`);
  }
  return value;
}

/**
 * Milliseconds of a duration, or `unset` when there is none. @throws `invalid` outside the range.
 */
export function parseDurationMs(
  field: string,
  value: Duration | undefined,
  { min, max, unset }: Range & { readonly unset: number },
): number {
  if (value === undefined) return unset;
  const ms = value.seconds * 1000 + value.nanos / 1_000_000;
  const isWellFormed = Math.abs(value.nanos) < 1_000_000_000 && Number.isFinite(ms);
  if (!isWellFormed || ms < min || ms > max) {
    throw invalidField(field, `${ms} ms`, `${min} ms to ${max} ms`);
  }
  return Math.round(ms);
}

export function durationOf(ms: number): Duration {
  return { seconds: Math.floor(ms / 1000), nanos: Math.round((ms % 1000) * 1_000_000) };
}

/** Printable ASCII, so it can stand on a kernel command line as it is. @throws `invalid`. */
export function parsePrintable(field: string, value: string, lengthMax: number): string {
  if (value.length > lengthMax || !/^[\x20-\x7e]*$/.test(value)) {
    throw invalidField(field, value, `at most ${lengthMax} printable ASCII characters`);
  }
  return value;
}

/**
 * Text of an agent that is kept and shown to people: cut, and without control characters, which
 * would drive the terminal of whoever reads it.
 */
export function cleanText(text: string, lengthMax: number): string {
  return text.slice(0, lengthMax).replaceAll(/\p{Cc}/gu, " ");
}

export function parseSha256(field: string, value: string): string {
  if (!/^[0-9a-f]{64}$/.test(value)) {
    throw invalidField(field, value, "64 lower-case hexadecimal digits");
  }
  return value;
}
