/**
 * Everything that happened in one run, as a hash, and as lines for whoever wants to read them. The
 * same seed gives the same.
 */
import { createHash } from "node:crypto";
import type { LogFields, Logger } from "@innkeeper/core";
import { type Clock, toDomainError } from "@innkeeper/core";

export class Trace {
  readonly #hash = createHash("sha256");
  #count = 0;

  constructor(
    private readonly clock: Clock,
    /** Called with each line as it happens. */
    private readonly print: ((line: string) => void) | undefined,
  ) {}

  get eventCount(): number {
    return this.#count;
  }

  add(what: string): void {
    this.#count += 1;
    const line = `${this.clock.monotonicMs()} ${what}`;
    this.#hash.update(`${line}\n`);
    this.print?.(line);
  }

  /** Of all lines; ends the trace. */
  digest(): string {
    return this.#hash.digest("hex").slice(0, 16);
  }

  /** A process's log as part of the trace. */
  logger(name: string): Logger {
    const write = (fields: LogFields, sentence: string): void => {
      this.add(`${name}: ${sentence} ${describeFields(fields)}`);
    };
    const log: Logger = { debug: write, info: write, warn: write, error: write, child: () => log };
    return log;
  }
}

function describeFields(fields: LogFields): string {
  return JSON.stringify(fields, (_, value: unknown) =>
    value instanceof Error ? `${toDomainError(value).reason}: ${value.message}` : value,
  );
}
