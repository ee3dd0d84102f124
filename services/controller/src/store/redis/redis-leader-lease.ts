/**
 * The leader lease in Redis. Its end is counted by the server; a holder whose clock runs otherwise
 * is fenced off by the epoch all the same.
 *
 * An `acquire` whose answer was lost is asked again: the same holder is granted a new epoch.
 */
import type { LeaderLease, LeaderTerm } from "@innkeeper/core";
import { ACQUIRE_SCRIPT, RELEASE_SCRIPT, RENEW_SCRIPT } from "./lease-scripts.js";
import type { RedisConnection } from "./redis-connection.js";
import type { RedisKeys } from "./redis-keys.js";
import type { Replication } from "./replication.js";

export interface RedisLeaderLeaseParts {
  readonly connection: RedisConnection;
  readonly keys: RedisKeys;
  readonly replication: Replication;
}

export class RedisLeaderLease implements LeaderLease {
  readonly #parts: RedisLeaderLeaseParts;

  constructor(parts: RedisLeaderLeaseParts) {
    this.#parts = parts;
  }

  /** @throws `timeout` when too few replicas know of the grant: nobody leads until it runs out. */
  async acquire(holderId: string, ttlMs: number): Promise<LeaderTerm | undefined> {
    const { connection, keys, replication } = this.#parts;
    const [epoch, unsafe] = await connection.repeating(() =>
      Promise.all([
        this.#send(ACQUIRE_SCRIPT, [keys.lease, keys.state], [holderId, ttlMs]),
        replication.confirm(),
      ]),
    );
    if (epoch === 0) return undefined;
    if (unsafe !== undefined) throw unsafe;
    return { holderId, epoch };
  }

  async renew(term: LeaderTerm, ttlMs: number): Promise<boolean> {
    const { connection, keys } = this.#parts;
    const isRenewed = await connection.repeating(() =>
      this.#send(RENEW_SCRIPT, [keys.lease], [stored(term), ttlMs]),
    );
    return isRenewed === 1;
  }

  async release(term: LeaderTerm): Promise<void> {
    const { connection, keys } = this.#parts;
    await connection.repeating(() => this.#send(RELEASE_SCRIPT, [keys.lease], [stored(term)]));
  }

  /** One attempt. @throws what the library throws */
  async #send(
    script: string,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<number> {
    const call = [script, keys.length, ...keys, ...args];
    return Number(await this.#parts.connection.send("EVAL", call));
  }
}

function stored({ epoch, holderId }: LeaderTerm): string {
  return `${epoch} ${holderId}`;
}
