/** Listens to a guest's console and notes when each heartbeat arrived. */

import type { InnkeeperClient } from "@innkeeper/client";
import { toDomainError } from "@innkeeper/core";
import { guestName, type Stage } from "./stage.js";
import { must } from "./story.js";

const BEAT = /^innkeeper-guest: beat ([0-9]+)/;

export interface Beat {
  readonly number: number;
  readonly atMs: number;
}

export class HeartbeatWatch {
  readonly lines: string[] = [];
  readonly beats: Beat[] = [];
  firstByteAtMs: number | undefined;
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;
  #failure: Error | undefined;
  readonly #waiters = new Set<() => void>();

  constructor(stage: Stage, name: string) {
    this.#done = this.#listen(stage.client, guestName(stage, name)).catch((error: unknown) => {
      this.#failure = toDomainError(error);
      for (const wake of this.#waiters) wake();
    });
  }

  /** Resolves when the condition holds. @throws when it does not within the time. */
  async until(
    condition: (watch: HeartbeatWatch) => boolean,
    what: string,
    timeoutMs: number,
  ): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    while (!condition(this)) {
      if (this.#failure !== undefined) throw this.#failure;
      const leftMs = deadlineMs - performance.now();
      must(
        leftMs > 0,
        `${what}: not within ${timeoutMs} ms; last lines:\n${this.lines.slice(-5).join("\n")}`,
      );
      await this.#nextLine(leftMs);
    }
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }

  /** Longest time between two heartbeats that arrived since then, in milliseconds. */
  longestGapMs(sinceMs: number): number {
    const recent = this.beats.filter((beat) => beat.atMs >= sinceMs);
    const gaps = recent.slice(1).map((beat, index) => beat.atMs - (recent[index]?.atMs ?? 0));
    return Math.round(Math.max(0, ...gaps));
  }

  /**
   * Every heartbeat came once and in order; a moved guest's new console begins with the next one.
   */
  isCountingOn(): boolean {
    return this.beats.every(({ number }, index) => {
      const before = this.beats[index - 1];
      return before === undefined || number === before.number + 1;
    });
  }

  #nextLine(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(wake, timeoutMs);
      const waiters = this.#waiters;
      function wake(): void {
        clearTimeout(timer);
        waiters.delete(wake);
        resolve();
      }
      waiters.add(wake);
    });
  }

  async #listen(client: InnkeeperClient, guestId: string): Promise<void> {
    let rest = "";
    const request = { projectId: "", guestId, follow: true };
    for await (const { data } of client.guests.readConsole(request, this.#abort.signal)) {
      const atMs = performance.now();
      this.firstByteAtMs ??= atMs;
      const lines = (rest + data.toString("latin1")).split(/\r?\n/);
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(line, atMs);
      for (const wake of this.#waiters) wake();
    }
  }

  #take(line: string, atMs: number): void {
    this.lines.push(line);
    const [, number] = BEAT.exec(line) ?? [];
    if (number !== undefined) this.beats.push({ number: Number(number), atMs });
  }
}
