/** From a service's settings to the options of its link. */
import type { Settings } from "../config.js";
import type { NATS_SETTINGS } from "../nats-settings.js";
import type { EventStreamOptions } from "./event-stream.js";
import type { NatsCredentials, NatsOptions, NatsTls } from "./nats-options.js";

export type NatsSettings = Settings<typeof NATS_SETTINGS>;

const CONNECT_TIMEOUT_MS = 2_000;
const RECONNECT_MS = 500;
/** A silent server is noticed after three of these; reports do not wait for that. */
const PING_MS = 2_000;
const DAY_MS = 86_400_000;
const EVENT_BYTES_MAX = 1024 ** 3;
const EVENT_TIMEOUT_MS = 5_000;

/** Undefined when the settings name no server. */
export function natsOptionsOf(settings: NatsSettings, name: string): NatsOptions | undefined {
  if (settings.natsServers === "") return undefined;
  return {
    servers: settings.natsServers.split(","),
    name,
    credentials: credentialsOf(settings),
    tls: tlsOf(settings),
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    reconnectMs: RECONNECT_MS,
    pingMs: PING_MS,
  };
}

export function eventStreamOptionsOf({ eventsKeptDays }: NatsSettings): EventStreamOptions {
  const keptMs = eventsKeptDays * DAY_MS;
  return { keptMs, bytesMax: EVENT_BYTES_MAX, replicas: 1, timeoutMs: EVENT_TIMEOUT_MS };
}

function credentialsOf(settings: NatsSettings): NatsCredentials | undefined {
  const { natsUser: user, natsPassword: password, natsNkeySeed: nkeySeed } = settings;
  if (nkeySeed !== "") return { nkeySeed };
  return user === "" ? undefined : { user, password };
}

/** `tls://` at one server means TLS at all of them. */
function tlsOf(settings: NatsSettings): NatsTls | undefined {
  const { natsServers, natsTlsCa: ca, natsTlsCert: cert, natsTlsKey: key } = settings;
  const isWanted = /(^|,)tls:\/\//.test(natsServers) || ca !== "" || cert !== "";
  if (!isWanted) return undefined;
  return {
    ca: ca === "" ? undefined : ca,
    identity: cert === "" ? undefined : { cert, key },
  };
}
