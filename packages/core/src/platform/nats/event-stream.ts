/**
 * The JetStream stream that holds the events: its settings, and reading of single messages. What
 * the messages mean is said elsewhere.
 */
import {
  DiscardPolicy,
  JetStreamApiCodes,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from "@nats-io/jetstream";
import { decodeEvent, type EventEntry } from "./event-message.js";
import { isApiError, natsFailure } from "./nats-errors.js";
import type { NatsLink } from "./nats-link.js";
import { EVENTS } from "./subjects.js";

/** Durable consumers of users name it: never change it. */
export const EVENT_STREAM = "INNKEEPER_EVENTS";

export interface EventStreamOptions {
  /** How long an event is kept. */
  readonly keptMs: number;
  /** Older events go earlier when all together become larger than this. */
  readonly bytesMax: number;
  /** Copies in a NATS cluster: 1, 3 or 5. */
  readonly replicas: number;
  /** Deadline of one request. */
  readonly timeoutMs: number;
}

export interface StreamBounds {
  /** Of the first message kept; `last + 1` when there is none. */
  readonly first: number;
  /** Of the last message ever, also when it is not kept any more. */
  readonly last: number;
}

const NS_PER_MS = 1_000_000;
/** For readers outside; our own appends are guarded by the sequence. */
const DUPLICATE_WINDOW_MS = 120_000;
const NOTHING: StreamBounds = { first: 1, last: 0 };

export class EventStream {
  #isEnsured = false;

  constructor(
    private readonly link: NatsLink,
    private readonly options: EventStreamOptions,
  ) {}

  client(): JetStreamClient {
    return jetstream(this.link.connection, { timeout: this.options.timeoutMs });
  }

  /** Makes the stream as the options want it. @throws `unavailable` or `timeout`. */
  async ensure(): Promise<void> {
    if (this.#isEnsured) return;
    await this.#ask(async (manager) => {
      const found = await infoOf(manager);
      const config = streamConfig(this.options);
      if (found === undefined) await manager.streams.add({ name: EVENT_STREAM, ...config });
      else if (differs(found, config)) await manager.streams.update(EVENT_STREAM, config);
    });
    this.#isEnsured = true;
  }

  /** The stream may be gone or another: look again before the next append. */
  forget(): void {
    this.#isEnsured = false;
  }

  async bounds(): Promise<StreamBounds> {
    return await this.#ask(async (manager) => {
      const info = await infoOf(manager);
      if (info === undefined) return NOTHING;
      const { first_seq: first, last_seq: last, messages } = info.state;
      return { first: messages === 0 ? last + 1 : first, last };
    });
  }

  /** Undefined when the message is not kept (any more). @throws `corrupt`. */
  async entry(sequence: number): Promise<EventEntry | undefined> {
    const message = await this.#ask((manager) =>
      manager.streams.getMessage(EVENT_STREAM, { seq: sequence }),
    );
    return message === null ? undefined : decodeEvent(sequence, message.data);
  }

  async #ask<T>(work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    const { connection } = this.link;
    try {
      const timeout = this.options.timeoutMs;
      return await work(await jetstreamManager(connection, { timeout, checkAPI: false }));
    } catch (error) {
      throw natsFailure(error);
    }
  }
}

async function infoOf(manager: JetStreamManager): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(EVENT_STREAM);
  } catch (error) {
    if (isApiError(error, JetStreamApiCodes.StreamNotFound)) return undefined;
    throw error;
  }
}

function streamConfig({ keptMs, bytesMax, replicas }: EventStreamOptions) {
  return {
    description: "What happened in the cluster, told for people and programs",
    subjects: [EVENTS],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: keptMs * NS_PER_MS,
    max_bytes: bytesMax,
    num_replicas: replicas,
    duplicate_window: Math.min(DUPLICATE_WINDOW_MS, keptMs) * NS_PER_MS,
    deny_delete: true,
  };
}

function differs({ config }: StreamInfo, wanted: ReturnType<typeof streamConfig>): boolean {
  return (["max_age", "max_bytes", "num_replicas", "duplicate_window"] as const).some(
    (name) => config[name] !== wanted[name],
  );
}
