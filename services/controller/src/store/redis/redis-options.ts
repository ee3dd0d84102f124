/** How to reach Redis, and what the client library is told of it. */
import { invalidField } from "@innkeeper/core";
import type { RedisOptions } from "ioredis";

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** One server, `redis://` or `rediss://` (TLS); or the master that Sentinels name. */
export type RedisServers =
  | { readonly url: string }
  | { readonly sentinels: readonly HostAndPort[]; readonly masterName: string };

export interface RedisAccess {
  readonly servers: RedisServers;
  readonly username?: string;
  readonly password?: string;
  /** PEM texts. Given = TLS, also between us and the Sentinels. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly database?: number;
}

export interface Patience {
  /** How long a read waits for a connection and an answer. */
  readonly askTimeoutMs: number;
  /** Without a byte for so long while an answer is due, a connection counts as dead. */
  readonly silenceMsMax: number;
}

/** Of a connection with protocol 2. */
export type ClientOptions = Omit<RedisOptions, "replyMapping">;

const CONNECT_TIMEOUT_MS = 2000;
const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 1000;

/**
 * Whoever asks learns at once that a command was not sent, or that its answer is lost: the library
 * neither queues nor repeats anything by itself.
 */
const NOTHING_IS_REPEATED: ClientOptions = {
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  lazyConnect: true,
};

/** @throws `invalid` for an address that is none */
export function clientOptions(
  access: RedisAccess,
  patience: Patience,
  connectionName: string,
): ClientOptions {
  const { username, password, database } = access;
  return {
    ...NOTHING_IS_REPEATED,
    protocol: 2,
    disableClientInfo: true,
    connectionName,
    connectTimeout: Math.min(CONNECT_TIMEOUT_MS, patience.silenceMsMax),
    socketTimeout: patience.silenceMsMax,
    keepAlive: patience.silenceMsMax,
    retryStrategy: retryDelayMs,
    ...given({ username, password, db: database }),
    ...("url" in access.servers
      ? ofUrl(access.servers.url, access)
      : ofSentinels(access.servers, access)),
  };
}

function ofUrl(url: string, { tls }: RedisAccess): ClientOptions {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isTls = parsed?.protocol === "rediss:";
  if (parsed === undefined || !(isTls || parsed.protocol === "redis:")) {
    throw invalidField("redis url", url, "redis://host:port or rediss://host:port");
  }
  const database = parsed.pathname.slice(1);
  return {
    host: parsed.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(parsed.port || "6379"),
    ...(database === "" ? {} : { db: Number(database) }),
    ...(isTls || tls !== undefined ? { tls: { ...tls } } : {}),
  };
}

function ofSentinels(
  { sentinels, masterName }: Extract<RedisServers, { sentinels: unknown }>,
  { tls }: RedisAccess,
): ClientOptions {
  return {
    sentinels: sentinels.map(({ host, port }) => ({ host, port })),
    name: masterName,
    sentinelRetryStrategy: retryDelayMs,
    sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
    failoverDetector: true,
    ...(tls === undefined
      ? {}
      : { tls: { ...tls }, enableTLSForSentinelMode: true, sentinelTLS: { ...tls } }),
  };
}

function retryDelayMs(attempt: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(attempt, 10));
}

function given<T extends object>(fields: T): Partial<T> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<T>;
}
