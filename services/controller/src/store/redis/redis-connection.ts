/**
 * One connection to the master, made anew whenever it breaks, until it is closed. A command is
 * either sent now or not at all.
 */
import { type DomainError, unavailable } from "@innkeeper/core";
import { Redis } from "ioredis";
import { clientOptions, type Patience, type RedisAccess } from "./redis-options.js";
import { type Failure, failureOf } from "./reply-codes.js";

type Argument = string | number;

const REVIVE_MS = 100;

export class RedisConnection {
  readonly #redis: Redis;
  readonly #askTimeoutMs: number;
  readonly #waiting = new Set<() => void>();
  #lastError: Error | undefined;
  /** Given up, and not yet replaced. */
  #isLeaving = false;
  #isClosed = false;

  constructor(access: RedisAccess, patience: Patience, name: string) {
    this.#askTimeoutMs = patience.askTimeoutMs;
    this.#redis = new Redis(clientOptions(access, patience, name));
    this.#redis.on("error", (error: Error) => {
      this.#lastError = error;
    });
    this.#redis.on("ready", () => {
      this.#lastError = undefined;
      this.#isLeaving = false;
      this.#wakeAll();
    });
    // The library gives up for good when it is told to reconnect while it asks a Sentinel.
    this.#redis.on("end", () => {
      if (!this.#isClosed) setTimeout(() => this.#connect(), REVIVE_MS);
    });
    this.#connect();
  }

  get isReady(): boolean {
    return this.#redis.status === "ready" && !this.#isLeaving && !this.#isClosed;
  }

  /** Also called at once if it is ready. */
  onReady(listener: () => void): void {
    this.#redis.on("ready", listener);
    if (this.isReady) listener();
  }

  /** Resolves when a command can be sent. @throws `unavailable` after the time, or when closed. */
  async whenReady(timeoutMs: number): Promise<void> {
    if (this.isReady) return;
    if (!this.#isClosed && timeoutMs > 0) await this.#readyOrTimeout(timeoutMs);
    if (!this.isReady) throw this.#whyNotReady();
  }

  /** @throws what the library throws; `failureOf` says what it means. */
  send(command: string, args: readonly Argument[]): Promise<unknown> {
    return this.#redis.call(command, args as Argument[]);
  }

  /**
   * For reads, which can be repeated: waits for a connection, and repeats on another one if the
   * answer is lost. @throws DomainError
   */
  async ask(command: string, args: readonly Argument[]): Promise<unknown> {
    return await this.repeating(() => this.send(command, args));
  }

  /** {@link ask} for several commands, which are all repeated together. @throws DomainError */
  async repeating<T>(attempt: () => Promise<T>): Promise<T> {
    const endsAtMs = performance.now() + this.#askTimeoutMs;
    for (;;) {
      await this.whenReady(endsAtMs - performance.now());
      try {
        return await attempt();
      } catch (error) {
        const failure = this.heed(error);
        if (failure.next === "final" || performance.now() >= endsAtMs) throw failure.error;
      }
    }
  }

  /** Says what an error means, and leaves a connection that does not serve. */
  heed(error: unknown): Failure {
    const failure = failureOf(error);
    if (failure.next === "reconnect" || failure.next === "lost") this.reconnect();
    return failure;
  }

  reconnect(): void {
    if (this.#isClosed || !this.isReady) return;
    this.#isLeaving = true;
    this.#redis.disconnect(true);
  }

  close(): void {
    this.#isClosed = true;
    this.#redis.disconnect();
    this.#wakeAll();
  }

  #connect(): void {
    if (this.#isClosed) return;
    this.#redis.connect().catch((error: Error) => {
      this.#lastError = error;
    });
  }

  async #readyOrTimeout(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiting.add(done);
    });
  }

  #wakeAll(): void {
    for (const wake of this.#waiting) wake();
  }

  #whyNotReady(): DomainError {
    if (this.#isClosed) return unavailable("store", "it is closed");
    const why = this.#lastError?.message;
    return unavailable("store", why === undefined ? "no connection" : `no connection: ${why}`);
  }
}
