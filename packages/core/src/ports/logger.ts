/**
 * Structured log: a constant lower-case sentence plus fields. `error` = a human must act, `warn` =
 * degraded and self-healing.
 */
export interface Logger {
  debug(fields: LogFields, sentence: string): void;
  info(fields: LogFields, sentence: string): void;
  warn(fields: LogFields, sentence: string): void;
  error(fields: LogFields, sentence: string): void;
  child(bindings: LogFields): Logger;
}

export type LogFields = Readonly<Record<string, unknown>>;
