/**
 * How many replicas must have a write before it counts as done. Redis itself answers before its
 * replicas have anything; `WAIT` asks for them.
 */
import type { DomainError } from "@innkeeper/core";
import type { RedisConnection } from "./redis-connection.js";
import { outcomeUnknown } from "./reply-codes.js";

export interface ReplicationOptions {
  /** 0 = the master alone is enough. */
  readonly minReplicas: number;
  readonly replicaTimeoutMs: number;
}

export class Replication {
  readonly #connection: RedisConnection;
  readonly #options: ReplicationOptions;

  constructor(connection: RedisConnection, options: ReplicationOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /**
   * Sent behind a write on the same connection: undefined when enough replicas have it in time,
   * else the error to tell. @throws what the library throws
   */
  async confirm(): Promise<DomainError | undefined> {
    const { minReplicas, replicaTimeoutMs } = this.#options;
    if (minReplicas === 0) return undefined;
    const have = Number(await this.#connection.send("WAIT", [minReplicas, replicaTimeoutMs]));
    if (have >= minReplicas) return undefined;
    return outcomeUnknown(
      `${have} of ${minReplicas} replicas have it after ${replicaTimeoutMs} ms`,
    );
  }
}
