/** When each guest was placed and ran, by the store's change log. */
import type { ChangeBatch, Guest } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { createRedisStore } from "../../../services/controller/src/store/redis/create-redis-store.js";

/** As many as any run of the benchmark makes. */
const CHANGES_KEPT_MAX = 1_000_000;

export interface Seen {
  readonly placedAtMs: number;
  readonly runningAtMs: number;
}

export interface ChangeReader {
  /** By name of those that begin so; returns when `count` of them run. */
  untilRunning(prefix: string, count: number): Promise<ReadonlyMap<string, Seen>>;
  close(): Promise<void>;
}

export async function openChanges(url: string): Promise<ChangeReader> {
  const { store, close } = await createRedisStore({
    servers: { url },
    clock: systemClock,
    ids: randomIdSource,
    changesKeptMax: CHANGES_KEPT_MAX,
  });
  let { revision } = await store.snapshot();
  const untilRunning = async (prefix: string, count: number) => {
    const times = new GuestTimes(prefix);
    const abort = new AbortController();
    for await (const batch of store.changes(revision, abort.signal)) {
      if (batch === "compacted") throw new Error("the change log is too short");
      revision = batch.revision;
      times.add(batch);
      if (times.seen.size === count) break;
    }
    abort.abort();
    return times.seen;
  };
  return { untilRunning, close };
}

class GuestTimes {
  readonly seen = new Map<string, Seen>();
  readonly #placedAtMs = new Map<string, number>();

  constructor(private readonly prefix: string) {}

  add({ changes, atMs }: ChangeBatch): void {
    for (const { key, value } of changes) {
      if (key.startsWith("guest/") && value !== undefined) this.#add(value as Guest, atMs);
    }
  }

  #add({ id, status }: Guest, atMs: number): void {
    if (!id.startsWith(this.prefix) || status.placement === undefined) return;
    const placedAtMs = this.#placedAtMs.get(id) ?? atMs;
    this.#placedAtMs.set(id, placedAtMs);
    if (status.phase === "RUNNING" && !this.seen.has(id)) {
      this.seen.set(id, { placedAtMs, runningAtMs: atMs });
    }
  }
}
