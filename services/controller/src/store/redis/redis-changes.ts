/**
 * Follows the change stream on a connection of its own, which waits inside Redis for the next
 * commit.
 *
 * W1 Every commit after the start, once, in order, or `compacted` (S6). Revisions have no gap, so a
 *    gap in the stream is the sign that entries were trimmed.
 * W2 Replication ids tell histories apart: after a reconnection to another history the revisions
 *    that were seen mean nothing there, and the watcher is told `compacted`.
 */
import type { ChangeBatch, Revision } from "@innkeeper/core";
import { decodeEntry, idOfRevision, type RawEntry, revisionOfId } from "./change-entries.js";
import type { RedisConnection } from "./redis-connection.js";
import { REVISION_FIELD, type RedisKeys } from "./redis-keys.js";
import { parseRevision } from "./redis-snapshot.js";
import { readReplicationId } from "./replication-id.js";

const PAGE_ENTRIES = 256;
const BLOCK_MS = 2000;
/** Longer than Redis is told to wait. */
export const WATCH_SILENCE_MS_MAX = 5000;

export interface Watch {
  readonly connect: () => RedisConnection;
  readonly keys: RedisKeys;
  readonly after: Revision;
  readonly signal: AbortSignal;
}

export async function* watchStream(
  watch: Watch,
): AsyncGenerator<ChangeBatch | "compacted", void, undefined> {
  if (watch.signal.aborted) return;
  const connection = watch.connect();
  const close = (): void => {
    connection.close();
  };
  watch.signal.addEventListener("abort", close, { once: true });
  try {
    yield* new StreamFollower(connection, watch).follow();
  } catch (error) {
    if (!watch.signal.aborted) throw error;
  } finally {
    watch.signal.removeEventListener("abort", close);
    connection.close();
  }
}

class StreamFollower {
  readonly #connection: RedisConnection;
  readonly #watch: Watch;
  #seen: Revision;
  #history: string | undefined;
  #isPlaced = false;

  constructor(connection: RedisConnection, watch: Watch) {
    this.#connection = connection;
    this.#watch = watch;
    this.#seen = watch.after;
    connection.onReady(() => {
      this.#isPlaced = false;
    });
  }

  async *follow(): AsyncGenerator<ChangeBatch | "compacted", void, undefined> {
    while (!this.#watch.signal.aborted) {
      const batches = await this.#connection.repeating(() => this.#next());
      for (const batch of batches) {
        if (this.#watch.signal.aborted) return;
        yield batch;
        if (batch === "compacted") return;
        this.#seen = batch.revision;
      }
    }
  }

  async #next(): Promise<readonly (ChangeBatch | "compacted")[]> {
    if (!this.#isPlaced && !(await this.#place())) return ["compacted"];
    const { changes } = this.#watch.keys;
    const from = idOfRevision(this.#seen);
    const args = ["COUNT", PAGE_ENTRIES, "BLOCK", BLOCK_MS, "STREAMS", changes, from];
    const reply = (await this.#connection.send("XREAD", args)) as [string, RawEntry[]][] | null;
    const entries = reply?.[0]?.[1] ?? [];
    const [first] = entries;
    if (first !== undefined && revisionOfId(first[0]) !== this.#seen + 1) return ["compacted"];
    return entries.map((entry) => {
      const { revision, atMs, changes: told } = decodeEntry(entry);
      return { revision, atMs, changes: told };
    });
  }

  /** Makes sure that this connection knows the revision we have seen. */
  async #place(): Promise<boolean> {
    const history = await readReplicationId(this.#connection);
    const range = await readKeptRange(this.#connection, this.#watch.keys);
    if (this.#history !== undefined && this.#history !== history) return false;
    this.#history = history;
    this.#isPlaced = true;
    return this.#seen >= range.startsAfter && this.#seen <= range.revision;
  }
}

export interface KeptRange {
  readonly revision: Revision;
  /** The lowest revision after which all changes are kept. */
  readonly startsAfter: Revision;
}

/** @throws what the library throws */
export async function readKeptRange(
  connection: RedisConnection,
  { state, changes }: RedisKeys,
): Promise<KeptRange> {
  const [, , , replies] = await Promise.all([
    connection.send("MULTI", []),
    connection.send("HGET", [state, REVISION_FIELD]),
    connection.send("XRANGE", [changes, "-", "+", "COUNT", 1]),
    connection.send("EXEC", []),
  ]);
  const [text, oldest] = replies as [string | null, RawEntry[]];
  const revision = parseRevision(text, state);
  const first = oldest[0];
  return { revision, startsAfter: first === undefined ? revision : revisionOfId(first[0]) - 1 };
}
