/**
 * Which history of the data a server serves: its replication id changes when a replica is promoted
 * and when the server is started again, that is, whenever newest commits may be missing.
 */
import type { RedisConnection } from "./redis-connection.js";

export interface FailOver {
  readonly before: string;
  readonly after: string;
}

/** @throws what the library throws */
export async function readReplicationId(connection: RedisConnection): Promise<string> {
  const info = String(await connection.send("INFO", ["replication"]));
  return /^master_replid:([0-9a-f]+)/m.exec(info)?.[1] ?? "";
}

/** Tells when the connection has come back to another history. */
export class FailOverWatch {
  readonly #connection: RedisConnection;
  readonly #tell: (failOver: FailOver) => void;
  #current: string | undefined;

  constructor(connection: RedisConnection, tell: (failOver: FailOver) => void) {
    this.#connection = connection;
    this.#tell = tell;
    connection.onReady(() => void this.#look());
  }

  async #look(): Promise<void> {
    try {
      const after = await readReplicationId(this.#connection);
      const before = this.#current;
      this.#current = after;
      if (before !== undefined && before !== after) this.#tell({ before, after });
    } catch (error) {
      // The connection is gone again; the next one is looked at.
      this.#connection.heed(error);
    }
  }
}
