/** Puts the Redis store together: connections, commit pipeline, store and lease. */
import {
  assert,
  type Clock,
  type IdSource,
  type LeaderLease,
  type StateStore,
} from "@innkeeper/core";
import { CommitPipeline } from "./commit-pipeline.js";
import { WATCH_SILENCE_MS_MAX } from "./redis-changes.js";
import { RedisConnection } from "./redis-connection.js";
import { redisKeys } from "./redis-keys.js";
import { RedisLeaderLease } from "./redis-leader-lease.js";
import type { Patience, RedisAccess } from "./redis-options.js";
import { RedisStateStore } from "./redis-state-store.js";
import { Replication } from "./replication.js";
import { type FailOver, FailOverWatch } from "./replication-id.js";

export type { HostAndPort, RedisAccess, RedisServers } from "./redis-options.js";
export type { FailOver } from "./replication-id.js";

export interface RedisStoreOptions extends RedisAccess {
  readonly clock: Pick<Clock, "nowMs">;
  readonly ids: IdSource;
  /** Tells clusters in one Redis apart. */
  readonly keyPrefix?: string;
  /** Commits that a watcher may be behind before it is told `compacted`. */
  readonly changesKeptMax: number;
  /** How many replicas must have a commit before it is acknowledged; 0 = the master alone. */
  readonly minReplicas?: number;
  readonly replicaTimeoutMs?: number;
  /** How long anything waits for a Redis that does not answer; covers a fail-over. */
  readonly timeoutMs?: number;
  /** The store has come back with another history: newest commits may be missing. */
  readonly onFailOver?: (failOver: FailOver) => void;
}

export interface RedisStore {
  readonly store: StateStore;
  readonly lease: LeaderLease;
  close(): Promise<void>;
}

const DEFAULTS = {
  keyPrefix: "innkeeper",
  minReplicas: 0,
  replicaTimeoutMs: 1000,
  timeoutMs: 10_000,
} as const;

const SILENCE_MS_MAX = 5000;
/** A leader that cannot reach the store learns it in time. */
const LEASE_TIMEOUT_MS = 2000;

/** @throws `unavailable` when Redis cannot be reached in time; `invalid` for a wrong address */
export async function createRedisStore(options: RedisStoreOptions): Promise<RedisStore> {
  const { keyPrefix, minReplicas, replicaTimeoutMs, timeoutMs } = { ...DEFAULTS, ...options };
  assert(options.changesKeptMax >= 1, "at least one change is kept");
  assert(/^[^{}"\s]+$/.test(keyPrefix), "a key prefix has no braces, quotes or spaces");
  const { clock, ids, changesKeptMax, onFailOver } = options;
  const connect = (name: string, patience: Patience): RedisConnection =>
    new RedisConnection(options, patience, `${keyPrefix}-${name}`);
  const patience = patienceOf(timeoutMs);
  const [writer, reader] = [connect("commit", patience), connect("read", patience)];
  const leases = connect("lease", patienceOf(Math.min(timeoutMs, LEASE_TIMEOUT_MS)));
  const closeAll = (): void => {
    for (const connection of [writer, reader, leases]) connection.close();
  };
  const keys = redisKeys(keyPrefix);
  const waits = { minReplicas, replicaTimeoutMs };
  const nowMs = (): number => clock.nowMs();
  const pipeline = new CommitPipeline({
    connection: writer,
    keys,
    ids,
    nowMs,
    replication: new Replication(writer, waits),
    changesKeptMax,
    commitTimeoutMs: timeoutMs,
  });
  const watch = () =>
    connect("watch", { askTimeoutMs: timeoutMs, silenceMsMax: WATCH_SILENCE_MS_MAX });
  const store = new RedisStateStore({ keys, pipeline, reader, watch, nowMs, closeAll });
  const replication = new Replication(leases, waits);
  const lease = new RedisLeaderLease({ connection: leases, keys, replication });
  try {
    await Promise.all([writer, reader, leases].map((each) => each.whenReady(timeoutMs)));
  } catch (error) {
    closeAll();
    throw error;
  }
  if (onFailOver !== undefined) new FailOverWatch(writer, onFailOver);
  return { store, lease, close: () => store.close() };
}

function patienceOf(askTimeoutMs: number): Patience {
  return { askTimeoutMs, silenceMsMax: Math.min(askTimeoutMs, SILENCE_MS_MAX) };
}
