/** The logger port on pino: one JSON object a line, with level names and ISO times. */
import { type Logger as Pino, pino, stdSerializers, stdTimeFunctions } from "pino";
import type { LogFields, Logger } from "../ports/logger.js";
import { presentContext } from "./message-context.js";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Takes whole lines, e.g. `process.stderr`. */
  readonly destination: { write(line: string): unknown };
}

export function createLogger(options: LoggerOptions): Logger {
  const { destination } = options;
  const root = pino(
    {
      level: options.level,
      base: null,
      mixin: () => ({ ...presentContext() }),
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: stdSerializers.err, err: stdSerializers.err },
    },
    {
      write: (line: string): void => {
        destination.write(line);
      },
    },
  );
  return wrap(root);
}

function wrap(logger: Pino): Logger {
  return {
    debug: (fields, sentence) => {
      logger.debug(fields, sentence);
    },
    info: (fields, sentence) => {
      logger.info(fields, sentence);
    },
    warn: (fields, sentence) => {
      logger.warn(fields, sentence);
    },
    error: (fields, sentence) => {
      logger.error(fields, sentence);
    },
    child: (bindings: LogFields) => wrap(logger.child(bindings)),
  };
}
