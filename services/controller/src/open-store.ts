/** The store that the settings name, with the leader lease beside it. */
import path from "node:path";
import type { Clock, DomainError, LeaderLease, Logger, StateStore } from "@innkeeper/core";
import { randomIdSource } from "@innkeeper/core/platform";
import type { ControllerSettings } from "./config.js";
import { createEmbeddedLeaderLease } from "./store/embedded-leader-lease.js";
import { createEmbeddedStore } from "./store/embedded-state-store.js";
import { createRedisStore, type RedisAccess } from "./store/redis/create-redis-store.js";

export interface OpenedStore {
  readonly store: StateStore;
  readonly lease: LeaderLease;
  close(): Promise<void>;
}

export interface OpenStoreParts {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The store can no longer be used by this process. */
  readonly onFailure: (error: DomainError) => void;
  /** The store has come back with another history: its newest commits may be missing. */
  readonly onFailOver: () => void;
}

/**
 * @throws `unavailable`, `precondition` when somebody else has the embedded store open, `corrupt`.
 */
export async function openStore(
  settings: ControllerSettings,
  parts: OpenStoreParts,
): Promise<OpenedStore> {
  if (settings.store === "redis") return await openRedis(settings, parts);
  const { directory, clock, onFailure } = parts;
  const store = createEmbeddedStore({
    directory: path.join(directory, "store"),
    clock,
    changesKeptMax: settings.changesKeptMax,
    onFailure,
  });
  return { store, lease: createEmbeddedLeaderLease(store), close: () => store.close() };
}

async function openRedis(
  settings: ControllerSettings,
  { clock, log, onFailOver }: OpenStoreParts,
): Promise<OpenedStore> {
  return await createRedisStore({
    ...redisAccess(settings),
    clock,
    ids: randomIdSource,
    changesKeptMax: settings.changesKeptMax,
    minReplicas: settings.redisMinReplicas,
    replicaTimeoutMs: settings.redisReplicaTimeoutMs,
    onFailOver: (failOver) => {
      log.warn({ ...failOver }, "the store has failed over and may be behind");
      onFailOver();
    },
  });
}

function redisAccess(settings: ControllerSettings): RedisAccess {
  const { redisUrl, redisSentinels, redisMasterName, redisUsername, redisPassword } = settings;
  const tls = given({
    ca: settings.redisTlsCa,
    cert: settings.redisTlsCert,
    key: settings.redisTlsKey,
  });
  return {
    servers:
      redisSentinels === ""
        ? { url: redisUrl }
        : { sentinels: redisSentinels.split(",").map(parseAddress), masterName: redisMasterName },
    ...given({ username: redisUsername, password: redisPassword }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  };
}

function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
}

/** Without the settings that are empty. */
function given<Key extends string>(texts: Readonly<Record<Key, string>>) {
  const entries = Object.entries(texts).filter(([, text]) => text !== "");
  return Object.fromEntries(entries) as { readonly [K in Key]?: string };
}
